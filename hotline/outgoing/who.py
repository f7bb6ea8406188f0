"""Whom to ring, in which order: pure rules over the directory's phones."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from hotline.directory import Directory, DutyPhone

DAY_MIN = 24 * 60


def to_ring(
    directory: Directory, kind: str, village_code: str | None, at: datetime
) -> tuple[DutyPhone, ...]:
    """The phones of ``kind`` to ring at ``at``, in order.

    An unknown village is everybody's. Of ``duty`` there is always somebody when there is a phone
    at all: with nobody of the village on duty, first others on duty, else any phone.
    """
    of_kind = [phone for phone in directory.phones if phone.kind == kind]
    of_village = [phone for phone in of_kind if answers_for(phone, village_code)]
    local = at.astimezone(ZoneInfo(directory.zone))
    minute = local.hour * 60 + local.minute
    found = [phone for phone in of_village if is_on_duty(phone, minute)]
    if kind == "duty" and not found:
        found = [phone for phone in of_kind if is_on_duty(phone, minute)] or of_village or of_kind
    return tuple(found)


def answers_for(phone: DutyPhone, village_code: str | None) -> bool:
    return phone.villages is None or village_code is None or village_code in phone.villages


def is_on_duty(phone: DutyPhone, minute_of_day: int) -> bool:
    """Whether the local minute (0-1439) lies in the phone's hours; unreadable hours count as all.

    The end is no longer on duty. Equal hours mean the whole day.
    """
    try:
        begin, end = _minutes(phone.from_time) % DAY_MIN, _minutes(phone.until_time)
    except ValueError:
        return True
    if begin == end:
        return True
    if begin < end:
        return begin <= minute_of_day < end
    return minute_of_day >= begin or minute_of_day < end


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    found = int(hours) * 60 + int(minutes)
    if not 0 <= found <= DAY_MIN or not 0 <= int(minutes) < 60:
        raise ValueError(text)
    return found
