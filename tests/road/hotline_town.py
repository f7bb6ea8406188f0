"""A town whose telephones are registered, seen from its callers, its staff and its database."""

from __future__ import annotations

import asyncio
import contextlib
import html
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import auth
from core.auth import Actor
from core.database import Database
from core.models import User
from core.settings import Settings
from demo.call import heard_reference
from demo.phone import CallResult, Press, Step, Wait, WaitQuiet, place_call
from hotline import prompts
from hotline.outgoing.contract import Outcome
from hotline.outgoing.outcomes import Ledger, parse
from tests.hotline_sip.test_baresip import Baresip
from tests.road.callers import alike
from tests.road.town import Town

PASSWORD = "telephone-secret"
PHONES = ("duty", "wang", "aunt")
ACCOUNT = (
    "<sip:{name}@127.0.0.1:{port}>;auth_pass={password};regint=60;answermode=auto;"
    "audio_codecs={{codec}}/{{rate_hz}}/1;dtmfmode=rtp\n"
)
ALIKE = 0.8
PATIENCE_S = 90.0
START_S = 240.0


def keys(text: str) -> list[Step]:
    """Press the keys of ``text`` one after the other."""
    return [Press(key) for key in text]


@dataclass(frozen=True)
class Heard:
    """What one caller heard, and where the hotline's words lie."""

    result: CallResult
    spoken: prompts.Prompts

    @property
    def reference(self) -> tuple[str, str]:
        """Number and PIN that were read out."""
        number, pin = heard_reference(self.result.heard, self.spoken)
        assert number is not None
        assert pin is not None
        return number, pin

    def prompt(self, name: str) -> bool:
        """Whether this prompt was heard to its end."""
        return alike(self.result.heard, self.spoken.paths[name]) > ALIKE


class Pages:
    """Somebody who works here, at the pages."""

    def __init__(self, town: Town, login: str) -> None:
        self.browser = httpx.Client(
            base_url=town.address,
            verify=str(town.authority),
            follow_redirects=True,
            headers={"Accept-Language": "zh-CN"},
            timeout=30,
        )
        answer = self.send("/login", login=login, password=town.credentials["password"])
        assert "/login" not in str(answer.url), answer.text

    def read(self, path: str) -> str:
        answer = self.browser.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def send(self, path: str, **fields: str) -> httpx.Response:
        """Send the form of ``path`` as the page would."""
        shown = self.browser.get(path if path == "/login" else "/")
        token = re.search(r'name="csrf_token" value="([^"]+)"', shown.text)
        assert token is not None, shown.text
        return self.browser.post(path, data={"csrf_token": html.unescape(token[1]), **fields})


class HotlineTown:
    """The running town, its telephones and its database."""

    def __init__(self, folder: Path) -> None:
        accounts = ",".join(f"{name}:{PASSWORD}" for name in PHONES)
        self.town = Town("--demo", XIANGYIN_SIP_ACCOUNTS=accounts)
        self.settings = Settings(data_dir=self.town.folder)
        self.folder = folder
        self._database: Database | None = None
        self.callers: set[str] = set()

    def start(self) -> None:
        self.town.start(within_s=START_S)
        self.spoken = prompts.prepare(self.settings)

    def remove(self) -> None:
        if self._database is not None:
            self._database.close()
        self.town.remove()

    @property
    def database(self) -> Database:
        if self._database is None:
            self._database = Database.from_settings(self.settings)
        return self._database

    def actor(self, session: Session, login: str) -> Actor:
        return auth.actor_of(session.scalars(sa.select(User).where(User.login == login)).one())

    def ask(self, query: sa.Select[Any]) -> list[Any]:
        """The objects of a query, as they are now."""
        with self.database.read() as session:
            return list(session.scalars(query))

    def phone(self, name: str, spoken: np.ndarray) -> Baresip:
        """A registered telephone that picks up by itself and then says ``spoken``."""
        account = ACCOUNT.format(name=name, port=self.town.sip_port, password=PASSWORD)
        before = self._registrations(name)
        folder = self.folder / f"{name}-{before}"
        made = Baresip(folder, "PCMA", account=account, spoken=spoken)
        try:
            wait_for(lambda: self._registrations(name) > before, f"{name} is not registered")
        except BaseException:
            made.quit()
            raise
        return made

    def _registrations(self, name: str) -> int:
        log = (self.town.folder / "logs" / "signalling.log").read_text("utf-8").splitlines()
        return sum("phone registered" in line and f'"account": "{name}"' in line for line in log)

    def call(self, caller: str, script: list[Step], voice: bytes = b"", **more: Any) -> Heard:
        return asyncio.run(self.call_soon(caller, script, voice, **more))

    def calls(self, *calls: tuple[str, list[Step]]) -> list[Heard]:
        """Calls at the same time: (caller, script)."""

        async def all_call() -> list[Heard]:
            return await asyncio.gather(*(self.call_soon(*one) for one in calls))

        return asyncio.run(all_call())

    async def call_soon(
        self, caller: str, script: list[Step], voice: bytes = b"", *, hang_up: bool = True
    ) -> Heard:
        """Phone the hotline from ``caller``; without ``hang_up`` until the hotline ends it."""
        self.callers.add(caller)
        target = ("127.0.0.1", self.town.sip_port)
        result = await place_call(target, voice, script, caller=caller, hang_up=hang_up)
        assert result.status == 200, result
        return Heard(result, self.spoken)

    def outcomes(self, kind: str) -> list[Outcome]:
        """What telephony has written about its own calls, oldest first."""
        found = []
        for path in Ledger(self.settings).files():
            with contextlib.suppress(FileNotFoundError):
                found.append(parse(path.read_text("utf-8")))
        return sorted((one for one in found if one.kind == kind), key=lambda one: one.begun_at)


def wait_for(what: Callable[[], Any], why: str, within_s: float = PATIENCE_S) -> Any:
    """The first true answer; a failure says what was waited for."""
    deadline = time.monotonic() + within_s
    while not (found := what()):
        assert time.monotonic() < deadline, why
        time.sleep(0.1)
    return found


TO_STATUS: list[Step] = [Wait(1.5), Press("2"), Wait(0.6)]


def number_and_pin(number: str, pin: str = "") -> list[Step]:
    """Key the reference number, and the PIN when it is asked for."""
    asked: list[Step] = [WaitQuiet(0.6), *keys(pin)] if pin else []
    return [*keys(number), *asked, WaitQuiet(0.8)]
