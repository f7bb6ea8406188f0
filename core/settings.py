"""Settings come from the environment (``XIANGYIN_*``); any of them also as ``XIANGYIN_*_FILE``."""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

PREFIX = "XIANGYIN_"
LEAST_AUDIO_DAYS, PROMISED_AUDIO_DAYS = 30, 180
"""Residents may object for 30 days; callers and villagers are told that sound is kept for 180."""
LONGEST_SOCKET_FOLDER = 65


class _FileSource(PydanticBaseSettingsSource):
    """Reads ``XIANGYIN_<NAME>_FILE``: the way container platforms hand over secrets."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        value = Path(path).read_text(encoding="utf-8").strip() if path else None
        return value, field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {
            name: self.get_field_value(info, name)[0]
            for name, info in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}


class Settings(BaseSettings):
    """Every setting of the server, with its default. docs/settings.md lists them for people."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")

    data_dir: Path = Field(Path("var"), description="Folder for database, sound, keys, logs.")
    database_url: str = Field("", description="SQLAlchemy URL; empty: SQLite in data_dir.")
    database_schema: str = Field("xiangyin", description="PostgreSQL schema that holds our tables.")
    secret_key: str = Field("", description="Key for sealing numbers; empty: made in data_dir.")
    zone: str = Field("Asia/Shanghai", description="IANA time zone of the town.")
    station_name: str = Field("", description="Name shown on pages and spoken in the greeting.")

    web_host: str = Field("0.0.0.0", description="Address the pages listen on.")
    web_port: int = Field(8443, description="Port of the pages.")
    web_tls: Literal["own-ca", "files", "off"] = Field(
        "own-ca", description="own-ca, files (certificate given) or off (behind a proxy)."
    )
    web_tls_cert: Path | None = Field(None, description="Certificate chain for web_tls=files.")
    web_tls_key: Path | None = Field(None, description="Private key for web_tls=files.")
    guide_port: int = Field(8080, description="Plain HTTP port: CA guide, redirect to the pages.")
    public_base_url: str = Field("", description="Address people use, for links; empty: guessed.")
    trusted_proxies: str = Field("127.0.0.1", description="Proxies whose X-Forwarded-* is heard.")

    sip_host: str = Field("127.0.0.1", description="Address the hotline's SIP listens on.")
    sip_port: int = Field(5060, description="UDP port of the hotline's SIP.")
    sip_acl: str = Field("", description="Addresses or networks allowed to call; comma separated.")
    media_networks: str = Field("", description="Extra networks RTP may come from and go to.")
    rtp_port_first: int = Field(20000, description="First (even) UDP port for call audio.")
    rtp_port_last: int = Field(21998, description="Last (even) UDP port for call audio.")
    call_cap: int = Field(100, description="Calls at the same time; more are told busy.")
    call_rtp_timeout_s: float = Field(
        30.0, description="Time without packets that ends a call of a phone that sends always."
    )
    telephony: Literal["sip", "asterisk"] = Field(
        "sip", description="sip: our own endpoint; asterisk: an Asterisk over ARI."
    )
    sip_accounts: str = Field("", description="Phones that may register: name:password, …")
    sip_calls_per_minute: int = Field(60, description="New calls a minute from one address.")
    trunk_host: str = Field("", description="Carrier or gateway that outgoing calls go through.")
    trunk_port: int = Field(5060, description="Its UDP port.")
    trunk_user: str = Field("", description="Our account there; empty: it knows our address.")
    trunk_password: str = Field("", description="Password of that account.")
    trunk_register: bool = Field(True, description="Register there, when an account is given.")
    trunk_number: str = Field("", description="Number that people we call see; empty: account.")
    ari_url: str = Field("", description="Asterisk's HTTP address, such as http://10.0.0.5:8088.")
    ari_user: str = Field("", description="User of ari.conf.")
    ari_password: str = Field("", description="Its password.")
    ari_app: str = Field("xiangyin", description="Name of our Stasis application.")
    ari_dial: str = Field("PJSIP/{number}@trunk", description="How Asterisk dials a number.")
    ari_sounds: Path | None = Field(None, description="Folder both see, for prompts; empty: ours.")
    ari_sounds_there: str = Field("", description="That folder as Asterisk sees it; empty: same.")
    ari_recordings: Path | None = Field(None, description="Asterisk's recording folder, if read.")
    hotline_number: str = Field("", description="Number people dial: on sheets and pages.")
    hotline_languages: str = Field("zh_CN,en", description="Languages the * key goes through.")
    bridges_per_hour: int = Field(60, description="Calls we make in an hour, at most.")
    uncalled_prefixes: str = Field(
        "100,101,11,12,160,168,179,9",
        description="Service and premium numbers we never call for residents, by their beginning.",
    )
    voicemail_folder: Path | None = Field(None, description="Voicemail folder that is watched.")
    imap_url: str = Field("", description="Mailbox with voicemails: imaps://user@host/INBOX.")
    imap_password: str = Field("", description="Its password.")

    mqtt_host: str = Field("0.0.0.0", description="Address the embedded broker listens on.")
    mqtt_port: int = Field(8883, description="Port of the embedded broker.")
    mqtt_url: str = Field("", description="Another broker's URL; empty: the embedded broker.")
    mqtt_ca: Path | None = Field(None, description="Authority (PEM) of that broker's certificate.")

    decoders: int = Field(0, description="Decoder processes; 0: cores - 1, at least 1.")
    live_streams: int = Field(-1, description="Calls heard as they speak; -1: 2 x cores, 0: none.")
    model_dir: Path | None = Field(None, description="Vosk model; empty: installed, else starter.")
    model_mirror: str = Field("", description="Web folder with model archives; empty: publisher.")
    decode_cpu_factor: float = Field(6.0, description="CPU seconds allowed per second of sound.")
    queue_full_min: int = Field(120, description="Waiting sound (min) that stops bulk decoding.")

    verbatim_every: int = Field(10, description="Every n-th report is asked word for word; 0: no.")

    server_url: str = Field("", description="Server that gives a far decoder its sounds.")
    worker_token: str = Field("", description="API token of a far decoder, for server_url.")

    upload_max_mb: int = Field(300, description="Largest sound file a station may upload.")
    report_upload_max_mb: int = Field(30, description="Largest sound file a villager may send.")
    play_horizon_days: int = Field(7, description="Days of plays that are made ahead.")
    keep_audio_days: int = Field(
        180, description="Days a recording is kept once its matter is closed; 30 to 180."
    )
    keep_words_days: int = Field(
        730, description="Days words and numbers are kept once it is closed; then anonymised."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Logs.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _FileSource(settings_cls)

    @field_validator("keep_audio_days")
    @classmethod
    def _as_callers_are_told(cls, days: int) -> int:
        if not LEAST_AUDIO_DAYS <= days <= PROMISED_AUDIO_DAYS:
            raise ValueError(
                f"{PREFIX}KEEP_AUDIO_DAYS is {days}. Set {LEAST_AUDIO_DAYS} to "
                f"{PROMISED_AUDIO_DAYS}: callers agree to {PROMISED_AUDIO_DAYS} days, and for "
                f"{LEAST_AUDIO_DAYS} they may object."
            )
        return days

    @field_validator("keep_words_days")
    @classmethod
    def _not_before_the_sound(cls, days: int, known: ValidationInfo) -> int:
        audio_days = known.data.get("keep_audio_days", LEAST_AUDIO_DAYS)
        if days < audio_days:
            raise ValueError(
                f"{PREFIX}KEEP_WORDS_DAYS is {days}. Set at least {audio_days}, the days of "
                f"{PREFIX}KEEP_AUDIO_DAYS: words do not go before the sound they were heard in."
            )
        return days

    @property
    def effective_database_url(self) -> str:
        """The database URL, with the default SQLite file filled in."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'xiangyin.db'}"

    def folder(self, *parts: str) -> Path:
        """A folder below data_dir, made when missing."""
        path = self.data_dir.resolve().joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def socket_folder(self) -> Path:
        """Folder for Unix sockets: data_dir/run, or a short one when that path is too long.

        A socket's path may have 107 bytes (unix(7)); our longest name takes 40 of them.
        """
        folder = self.folder("run")
        if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER:
            return folder
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
        short = Path(tempfile.gettempdir()) / f"xiangyin-{os.getuid()}-{digest}"
        short.mkdir(mode=0o700, exist_ok=True)
        if short.stat().st_uid != os.getuid():
            raise PermissionError(f"{short} belongs to somebody else; set a shorter data_dir")
        return short


@lru_cache(maxsize=1)
def load() -> Settings:
    """The settings of this process, read once. SystemExit with a line for people for each setting
    that cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        raise SystemExit("\n".join(map(_plain, error.errors()))) from None


def _plain(found: ErrorDetails) -> str:
    """One wrong setting; what was set is not repeated, for it may be a password."""
    said = found["msg"].removeprefix("Value error, ")
    if PREFIX in said:
        return said
    name = PREFIX + "_".join(map(str, found["loc"])).upper()
    return f"{name} cannot be used: {said}. Mend it (docs/settings.md tells each) and start again."
