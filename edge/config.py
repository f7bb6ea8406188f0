"""The home folder: who this box is (written at enrolment) and what its keeper set."""

from __future__ import annotations

import base64
import fcntl
import json
import tomllib
from dataclasses import asdict, dataclass, fields
from datetime import time
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.errors import BadSettings, NotEnrolled
from edge.files import write_whole
from edge.plan import Limits, QuietHours

SETTINGS_TEMPLATE = """\
# Settings of this player. Every line may be left out; the values shown are the defaults.

# sink = "auto"             # "device": sound card; "wav": files under sounded/; "auto": card if any
# volume_cap_percent = 100  # no sample is louder than this, whatever the manifest asks
# longest_play_s = 7200     # longer plays are refused
# quiet_from = "22:00"      # between these local times only emergencies sound (both or none)
# quiet_until = "06:00"
# quiet_file = ""           # while this file exists and is not "0", only emergencies sound
# poll_s = 60               # the server is asked this often when nothing wakes the box
# health_s = 30             # state of health is reported this often
# cache_limit_mb = 2048     # room for fetched clips
# sounded_limit_mb = 200    # room for files of the WAV sink; the oldest go first
# disk_reserve_mb = 50      # never filled with clips: decoded sound and receipts need it
# update_trial_s = 600      # a new program that does not report within this time is given up
# send_sounded = true       # send what the WAV sink sounded to the server
"""


@dataclass(frozen=True)
class Broker:
    """Where the wake-ups come from.

    ``ca``: the authority of its certificate in PEM; empty: those of the system; None: as the
    server's own.
    """

    host: str
    port: int
    tls: bool
    username: str
    password: str
    prefix: str
    ca: str | None = None


@dataclass(frozen=True)
class Identity:
    """What enrolment gave. ``server_key``: raw Ed25519 public key in base64."""

    server_url: str
    own_ca: bool
    player_id: str
    area_code: str
    token: str
    server_key: str
    zone: str
    name: str
    mqtt: Broker | None

    @property
    def server_key_bytes(self) -> bytes:
        """The pinned key that signs manifests."""
        return base64.b64decode(self.server_key, validate=True)


@dataclass(frozen=True)
class Settings:
    """settings.toml; see ``SETTINGS_TEMPLATE`` for the meaning of each."""

    sink: str = "auto"
    volume_cap_percent: float = 100.0
    longest_play_s: float = 7200.0
    quiet_from: str = ""
    quiet_until: str = ""
    quiet_file: str = ""
    poll_s: float = 60.0
    health_s: float = 30.0
    cache_limit_mb: float = 2048.0
    sounded_limit_mb: float = 200.0
    disk_reserve_mb: float = 50.0
    update_trial_s: float = 600.0
    send_sounded: bool = True

    def limits(self, zone: str) -> Limits:
        """The limits no manifest overrides; quiet hours are local to ``zone``."""
        quiet = None
        if self.quiet_from and self.quiet_until:
            begin, end = time.fromisoformat(self.quiet_from), time.fromisoformat(self.quiet_until)
            quiet = QuietHours(begin, end, ZoneInfo(zone))
        return Limits(self.longest_play_s, quiet)


class Home:
    """Paths inside the box's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.identity_file = folder / "identity.json"
        self.key_file = folder / "player.key"
        self.ca_file = folder / "ca.pem"
        self.settings_file = folder / "settings.toml"
        self.database_file = folder / "edge.sqlite3"
        self.clips = folder / "cache" / "clips"
        self.pcm = folder / "cache" / "pcm"
        self.sounded = folder / "sounded"
        self.releases = folder / "releases"

    def make_folders(self) -> None:
        """Create what is missing; the folder is the owner's alone."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.clips, self.pcm, self.sounded, self.releases):
            folder.mkdir(parents=True, exist_ok=True)

    def lock(self) -> IO[bytes]:
        """Keep a second player out while the returned file stays open."""
        handle = (self.folder / "run.lock").open("wb")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            raise BadSettings(
                f"another player is running in {self.folder}; stop it first"
            ) from None
        return handle

    def save_enrolment(self, identity: Identity, ca: bytes | None) -> None:
        """Write CA and identity; the identity comes last, so half an enrolment is none."""
        if ca is not None:
            write_whole(self.ca_file, ca)
        if not self.settings_file.exists():
            write_whole(self.settings_file, SETTINGS_TEMPLATE.encode())
        text = json.dumps(asdict(identity), ensure_ascii=False, indent=1)
        write_whole(self.identity_file, text.encode(), mode=0o600)

    def identity(self) -> Identity:
        """Raises NotEnrolled when there is none."""
        try:
            data: dict[str, Any] = json.loads(self.identity_file.read_bytes())
            mqtt = data.pop("mqtt")
            return Identity(**data, mqtt=Broker(**mqtt) if mqtt else None)
        except FileNotFoundError:
            raise NotEnrolled(
                f"{self.folder} is not enrolled; run: python -m edge enrol CODE --server URL"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise NotEnrolled(f"{self.identity_file} cannot be read; enrol again") from error

    def new_key(self) -> Ed25519PrivateKey:
        """The key to enrol with; the same again when an earlier try got no answer."""
        try:
            return self.key()
        except NotEnrolled:
            key = Ed25519PrivateKey.generate()
            write_whole(self.key_file, key.private_bytes_raw(), mode=0o600)
            return key

    def key(self) -> Ed25519PrivateKey:
        """The key that signs receipts. It never leaves the box."""
        try:
            return Ed25519PrivateKey.from_private_bytes(self.key_file.read_bytes())
        except (OSError, ValueError) as error:
            raise NotEnrolled(f"{self.key_file} cannot be read; enrol again") from error

    def settings(self) -> Settings:
        """Raises BadSettings that names the line at fault."""
        try:
            data = tomllib.loads(self.settings_file.read_text("utf-8"))
        except FileNotFoundError:
            return Settings()
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadSettings(f"{self.settings_file}: {error}") from error
        return _checked(data, self.settings_file)


def _checked(data: dict[str, Any], file: Path) -> Settings:
    defaults = {field.name: field.default for field in fields(Settings)}
    for name, value in data.items():
        if name not in defaults:
            raise BadSettings(f"{file}: there is no setting called {name}")
        wanted: type | tuple[type, ...] = type(defaults[name])
        if wanted is float:
            wanted = (int, float)
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise BadSettings(f"{file}: {name} = {value!r} is not of the right kind")
        if isinstance(value, int | float) and wanted is not bool and value <= 0:
            raise BadSettings(f"{file}: {name} must be above zero")
    settings = Settings(**data)
    if settings.sink not in ("auto", "wav", "device"):
        raise BadSettings(f"{file}: sink must be auto, wav or device")
    if settings.volume_cap_percent > 100:
        raise BadSettings(f"{file}: volume_cap_percent must be at most 100")
    if bool(settings.quiet_from) != bool(settings.quiet_until):
        raise BadSettings(f"{file}: quiet_from and quiet_until belong together")
    try:
        settings.limits("UTC")
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise BadSettings(f"{file}: quiet hours are written like 22:00 ({error})") from error
    return settings
