"""Who comes into the embedded broker, and what each may hear and say: amqtt's plug-ins."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import structlog
from amqtt.contexts import Action, BaseContext
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from broadcast import accounts

HEARD = ("wake", "command")
TOLD = "state"
log = structlog.get_logger("broadcast.broker")


class Accounts:
    """The account file, read again whenever it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._known: dict[str, dict[str, str]] = {}

    def _current(self) -> dict[str, dict[str, str]]:
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if stamp != self._stamp:
                self._known = json.loads(self._path.read_text(encoding="utf-8"))["accounts"]
                self._stamp = stamp
        except FileNotFoundError:
            self._known = {}
        except (OSError, ValueError, KeyError) as error:
            log.warning("the account file cannot be read; the last one counts", error=str(error))
        return self._known

    def knows(self, name: str | None, password: str | None) -> bool:
        """Whether name and password belong together."""
        account = self._current().get(name or "")
        return account is not None and accounts.fits(password or "", account["password_hash"])

    def mark(self, name: str | None) -> str:
        """Another one as soon as the account was given another password, empty when it is gone."""
        return self._current().get(name or "", {}).get("password_hash", "")

    def may(self, name: str | None, topic: str, action: Action) -> bool:
        """The server may do all below its root; a player hears and tells its own topics alone."""
        account = self._current().get(name or "")
        if account is None:
            return False
        if name == accounts.SERVER_NAME:
            return topic.startswith(accounts.TOPIC_ROOT + "/")
        ends = (TOLD,) if action == Action.PUBLISH else HEARD
        return topic in [f"{account['prefix']}/{end}" for end in ends]


_opened: dict[str, Accounts] = {}


def opened(path: str) -> Accounts:
    """The one reader of this account file in this process."""
    return _opened.setdefault(path, Accounts(Path(path)))


@dataclass
class _PluginConfig:
    """What amqtt hands to the plug-ins."""

    accounts_file: str = ""


class PasswordPlugin(BaseAuthPlugin):  # type: ignore[misc]
    """Lets in who has an account, under the own name as client id, with a will of the own."""

    Config = _PluginConfig

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._accounts = opened(self._get_config_option("accounts_file"))

    async def authenticate(self, *, session: Session) -> bool:
        name = session.username
        if session.client_id != name or not self._accounts.knows(name, session.password):
            log.warning("refused", client=str(session.client_id)[:60], user=str(name)[:60])
            return False
        will = session.will_topic if session.will_flag else None
        if will and not self._accounts.may(name, will, Action.PUBLISH):
            log.warning("refused: last will on a foreign topic", user=name, topic=will[:100])
            return False
        return True


class RightsPlugin(BaseTopicPlugin):  # type: ignore[misc]
    """Each player has its own topics alone."""

    Config = _PluginConfig

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._accounts = opened(self._get_config_option("accounts_file"))

    async def topic_filtering(
        self,
        *,
        session: Session | None = None,
        topic: str | None = None,
        action: Action | None = None,
    ) -> bool:
        if session is None or topic is None or action is None:
            return False
        return self._accounts.may(session.username, topic, action)
