"""A caller of the hotline speaks to villages: the web process's end of ``hotline.live_line``.

Telephony gives no proof but a user's id: it has checked number and PIN here before (``places``),
and every right is asked for again when the address is opened.
"""

from __future__ import annotations

import hashlib
import socket
import threading
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from broadcast import live, live_keeper
from broadcast.live_hub import Channel, LiveHub
from core import areas, auth
from core.auth import Actor
from core.database import Database
from core.errors import N_, Forbidden, XiangyinError
from core.files import write_durably
from core.models import User
from core.settings import Settings
from desk.live_caller import LiveCaller
from hotline import live_line, prompt_sound
from hotline.presence import is_there
from hotline.sip import wire
from hotline.sip.wire import BadFrame, Message
from schedule import quiet

PURPOSE = "live"
ACCEPT_S = 0.5
MESSAGE_WITHIN_S = 2.0
NAME_WPM, NAME_VOICE = 200, "cmn"
log = structlog.get_logger("desk.live_by_phone")


def places(session: Session, actor: Actor) -> dict[str, Any] | None:
    """The villages somebody may speak to by telephone, those under quiet apart; None: no right.

    As on the page, a village without an approved player is left out.
    """
    if not actor.may(live.SPEAK) or actor.area_code is None:
        return None
    codes = [village.code for village in areas.villages(session, actor.area_code)]
    reached = set(live.players_in(session, codes).values())
    silent = quiet.running_in(session, codes)
    return {
        "villages": [code for code in codes if code in reached and code not in silent],
        "quiet": [code for code in codes if code in reached and code in silent],
    }


class LiveByPhone:
    """Background duty of the web process: a thread for each caller who is on air."""

    name = "live-by-phone"

    def __init__(self, database: Database, hub: LiveHub, settings: Settings) -> None:
        self._database = database
        self._hub = hub
        self._settings = settings
        self._stop = threading.Event()

    def run_forever(self) -> None:
        """Take callers in until ``stop``."""
        path = live_line.socket_path(self._settings)
        with wire.listen(path) as door:
            door.settimeout(ACCEPT_S)
            while not self._stop.is_set():
                try:
                    line, _ = door.accept()
                except TimeoutError:
                    continue
                except OSError as error:  # too many open files: who waits is taken in later
                    log.warning("no caller can be taken in", error=str(error))
                    self._stop.wait(ACCEPT_S)
                    continue
                threading.Thread(
                    target=self._serve, args=(line,), name="live-caller", daemon=True
                ).start()
        path.unlink(missing_ok=True)

    def stop(self) -> None:
        self._stop.set()

    def _serve(self, line: socket.socket) -> None:
        with line:
            line.settimeout(MESSAGE_WITHIN_S)
            try:
                asked = wire.receive_blocking(line)
                answer = self._open(asked or {})
                if isinstance(answer, LiveCaller):
                    answer.run(line)
                else:
                    line.sendall(wire.encode({"type": "refused", **answer}))
            except (OSError, BadFrame) as error:
                log.warning("a caller's line broke", error=type(error).__name__)

    def _open(self, asked: Message) -> LiveCaller | dict[str, Any]:
        """Somebody on the way to the air, or why not."""
        user_id, villages = asked.get("user_id"), asked.get("villages")
        is_list = isinstance(villages, list) and all(isinstance(code, str) for code in villages)
        if asked.get("type") != "open" or not isinstance(user_id, int) or not is_list:
            return {"error": "not understood"}
        try:
            if not is_there(self._database):
                return {"error": "away"}
            return self._begin(user_id, villages or [])
        except live.SomebodySpeaks as busy:
            speaker = self._spoken(busy.speaker)
            village = busy.village_code
            return {"error": busy.code, "village_code": village, "speaker": speaker}
        except XiangyinError as refused:
            return {"error": refused.code}
        except (sa.exc.SQLAlchemyError, OSError) as error:
            log.warning("no live address can be opened", error=type(error).__name__)
            return {"error": "away"}

    def _begin(self, user_id: int, villages: list[str]) -> LiveCaller:
        channel: Channel | None = None
        try:
            with self._database.write() as session:
                user = session.get(User, user_id)
                if user is None or not user.active:
                    raise Forbidden(N_("Your role does not allow this. Ask your administrator."))
                opened = live.open_session(session, auth.actor_of(user), villages, source="phone")
                called = live.players_in(session, villages)
                channel = live_keeper.open_channel(self._hub, opened, self._settings)
        except BaseException:
            if channel is not None:
                live_keeper.abandon(self._hub, channel)
            raise
        return LiveCaller(self._database, channel, user.login, sorted(set(villages)), called)

    def _spoken(self, name: str) -> str | None:
        """A sound of somebody's name; the same name is the same file. None when it fails."""
        digest = hashlib.sha256(name.encode()).hexdigest()[:24]
        path: Path = self._settings.folder("hotline", "spoken") / f"name-{digest}.wav"
        try:
            if not path.is_file():
                sound = prompt_sound.spoken(f"{name}。", NAME_WPM, NAME_VOICE)
                write_durably(path, prompt_sound.wav_bytes(sound.tobytes()), mode=0o644)
        except (XiangyinError, OSError) as error:
            log.warning("a name could not be spoken", error=str(error)[:200])
            return None
        return str(path)
