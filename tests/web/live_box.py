"""A real player beside a running site, its sound going to a file."""

from __future__ import annotations

import threading
from pathlib import Path

import sqlalchemy as sa

from broadcast import commands, players
from core.auth import actor_of
from core.clock import utc_now
from core.models import User
from edge.box import Box
from edge.client import Client, identity_from
from edge.config import Home
from web.deps import Services


class VillageBox:
    """Enrolled and approved; ``start`` runs it in threads of this process."""

    def __init__(
        self, services: Services, url: str, folder: Path, village: str, login: str
    ) -> None:
        self._services = services
        self.home = Home(folder)
        self.home.make_folders()
        with services.database.write() as session:
            user = session.scalars(sa.select(User).where(User.login == login)).one()
            actor = actor_of(user)
            code = players.new_code(session, actor, village).code
        joining = Client(url, None)
        answer = joining.enrol(code, "村部", self.home.new_key())
        joining.close()
        with services.database.write() as session:
            players.approve(session, actor, answer["player_id"])
        self.player_id: str = answer["player_id"]
        self.home.save_enrolment(identity_from(answer, url, own_ca=False, name="村部"), None)
        self.home.settings_file.write_text('sink = "wav"\npoll_s = 1\n')

    def start(self) -> VillageBox:
        self.box = Box(self.home)
        self.box.start()
        self._ended = threading.Event()
        self._loop = threading.Thread(target=self.box.run_forever, daemon=True)
        self._orders = threading.Thread(target=self._bring, daemon=True)
        self._loop.start()
        self._orders.start()
        return self

    def stop(self) -> None:
        self._ended.set()
        self._orders.join(5)
        self.box.stop()
        self._loop.join(5)
        self.box.close()

    def _bring(self) -> None:
        """What the broker does: signed commands, as soon as they are there, and again."""
        while not self._ended.wait(0.05):
            with self._services.database.read() as session:
                waiting = commands.pending(
                    session, self._services.signer, self.player_id, utc_now()
                )
            for envelope in waiting:
                self.box.office.commands.take(envelope)
