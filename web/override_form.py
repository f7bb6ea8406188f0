"""The form of step one of an override, as typed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Form

from broadcast.override import Order
from core.errors import N_, InvalidInput

REPEATS = (5, 10, 15, 30, 60)
LENGTHS = (15, 30, 60, 120, 360, 720, 1440)
USUAL = {
    "emergency": {"repeat_minutes": "5", "valid_minutes": "60"},
    "drill": {"repeat_minutes": "", "valid_minutes": "15"},
    "notice": {"repeat_minutes": "", "valid_minutes": "60"},
}


class OverrideForm:
    """What the form sends, as typed."""

    def __init__(
        self,
        kind: Annotated[str, Form()] = "",
        title: Annotated[str, Form()] = "",
        text: Annotated[str, Form()] = "",
        episode_id: Annotated[str, Form()] = "",
        repeat_minutes: Annotated[str, Form()] = "",
        valid_minutes: Annotated[str, Form()] = "60",
        volume_percent: Annotated[str, Form()] = "100",
        villages: Annotated[list[str] | None, Form()] = None,
        form_token: Annotated[str, Form()] = "",
        instead_of: Annotated[str, Form()] = "",
    ) -> None:
        self.values: dict[str, Any] = {
            "kind": kind,
            "title": title,
            "text": text,
            "episode_id": episode_id,
            "repeat_minutes": repeat_minutes,
            "valid_minutes": valid_minutes,
            "volume_percent": volume_percent,
            "villages": villages or [],
            "form_token": form_token,
            "instead_of": instead_of,
        }

    def order(self, source_sha256: str | None) -> Order:
        """The order; InvalidInput for what is no number."""
        typed = self.values
        repeat = typed["repeat_minutes"]
        return Order(
            kind=typed["kind"],
            title=typed["title"],
            text=typed["text"],
            source_sha256=source_sha256,
            villages=typed["villages"],
            repeat_minutes=whole(repeat, "repeat_minutes") if repeat else None,
            valid_minutes=whole(typed["valid_minutes"], "valid_minutes"),
            volume_percent=whole(typed["volume_percent"], "volume_percent"),
            form_token=typed["form_token"],
        )


def whole(text: str, field: str) -> int:
    """The number; InvalidInput(field) for anything else."""
    plain = text.strip()
    if not (plain.isascii() and plain.isdigit()) or len(plain) > 6:
        raise InvalidInput(N_("Give a whole number."), field=field)
    return int(plain)
