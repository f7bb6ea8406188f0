"""How the hotline stands, in words: the line out, who answers, which languages it speaks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag

from core.errors import N_
from core.sealed import Sealer, mask_number
from core.settings import Settings
from hotline.models import DutyPhone
from hotline.prompts import languages_of

KINDS = {
    "duty": N_("Key 5: just cheated of money"),
    "human": N_("Key 0: wants a person"),
}

LACKING = (
    (
        "duty",
        "bad",
        N_("Nobody answers key 5: who was just cheated of money reaches no duty officer."),
    ),
    ("human", "warn", N_("Nobody answers key 0: who wants a person is promised a call-back.")),
)


@dataclass(frozen=True)
class LineOut:
    """The way out. ``weight``: good, warn, bad or info; ``words`` is translated, filled by
    ``where``; ``code``: the carrier's answer, 0 for none."""

    weight: str
    words: str
    where: str = ""
    since: datetime | None = None
    code: int = 0


@dataclass(frozen=True)
class ShownPhone:
    """A duty phone with its number masked."""

    row: DutyPhone
    number: str
    area: str


def line_out(settings: Settings) -> LineOut:
    """Whether the hotline can call out, from the settings and what signalling last wrote."""
    if settings.telephony == "asterisk":
        host = urlsplit(settings.ari_url).hostname or ""
        if not host:
            return LineOut("bad", N_("Asterisk is chosen but its address is not set."))
        return LineOut("info", N_("Calls go through the Asterisk at %(where)s."), host)
    where = settings.trunk_host
    if not where:
        if settings.sip_accounts.strip():
            return LineOut(
                "warn", N_("No line out is set up: only telephones registered here can be rung.")
            )
        return LineOut(
            "bad", N_("No line out is set up: people can call in, the hotline can call nobody.")
        )
    if not (settings.trunk_user and settings.trunk_register):
        return LineOut("info", N_("The line out goes through %(where)s, which knows us."), where)
    return _registration(settings, where)


def _registration(settings: Settings, where: str) -> LineOut:
    path = settings.folder("hotline") / "trunk.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        registered, code = bool(told["registered"]), int(told["code"] or 0)
        since = datetime.fromisoformat(told["since"]) if told["since"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return LineOut("warn", N_("Whether %(where)s lets us in is not known yet."), where)
    if registered:
        return LineOut("good", N_("%(where)s has let us in."), where, since, code)
    return LineOut("bad", N_("%(where)s does not let us in."), where, since, code)


def phones(rows: list[DutyPhone], sealer: Sealer, areas: dict[str, str]) -> list[ShownPhone]:
    """The duty phones as the page shows them."""
    return [
        ShownPhone(row, masked(sealer, row.number_sealed), areas.get(row.area_code, "–"))
        for row in rows
    ]


def masked(sealer: Sealer, sealed: str | None) -> str:
    """A stored number with its middle hidden; "" when there is none."""
    try:
        return mask_number(sealer.unseal(sealed)) if sealed else ""
    except (InvalidTag, ValueError):  # sealed with another installation's secret
        return "****"


def lacking(rows: list[DutyPhone]) -> list[tuple[str, str]]:
    """What nobody answers, as (weight, sentence to translate)."""
    there = {row.kind for row in rows if row.active}
    return [(weight, words) for kind, weight, words in LACKING if kind not in there]


def languages(settings: Settings) -> tuple[str, ...]:
    """The languages the * key goes through."""
    return languages_of(settings)
