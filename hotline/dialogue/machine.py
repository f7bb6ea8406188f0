"""The table of all states, and what holds in each of them."""

from __future__ import annotations

from collections.abc import Callable

from hotline.call import HungUp
from hotline.dialogue import (
    consent,
    greeting,
    leaving,
    live,
    live_places,
    news,
    quiet,
    record,
    reference,
    review,
    staff,
    status,
    village,
)
from hotline.dialogue.state import Dialogue, Facts, State, Step, end, promise_and_go, stay
from hotline.steps import Answer, Event, NotStored, UseLanguage

_HANDLERS: dict[State, Callable[[Dialogue, Event], Step]] = {
    State.GREETING: greeting.hear,
    State.CONSENT: consent.hear,
    State.FRAUD: consent.hear_fraud,
    State.VILLAGE: village.hear,
    State.VILLAGE_CODE: village.hear_code,
    State.RECORD: record.hear,
    State.REVIEW: review.hear,
    State.REFERENCE: reference.hear,
    State.STATUS_NUMBER: status.hear_number,
    State.STATUS_PIN: status.hear_pin,
    State.STATUS_TOLD: status.hear_told,
    State.WHY: status.hear_why,
    State.NEWS: news.hear,
    State.STAFF_NUMBER: staff.hear_number,
    State.STAFF_PIN: staff.hear_pin,
    State.QUIET: quiet.hear,
    State.LIVE_PLACES: live_places.hear,
    State.LIVE_CODE: live_places.hear_code,
    State.LIVE_READY: live_places.hear_ready,
    State.LIVE: live.hear,
    State.HUMAN: leaving.hear_human,
    State.LEAVING: leaving.hear,
    State.ENDED: lambda now, _event: stay(now),
}


def start(facts: Facts) -> Step:
    """The first step of a call."""
    language = facts.languages[0]
    now, actions = greeting.greet(Dialogue(facts, language=language))
    return now, (Answer(), UseLanguage(language), *actions)


def advance(now: Dialogue, event: Event) -> Step:
    """The next state and what to do; an event that means nothing here changes nothing."""
    if now.state is not State.ENDED:
        if isinstance(event, HungUp) and now.state is State.LIVE:
            return live.hung_up(now, event)
        if isinstance(event, HungUp) and not now.recording:
            return end(now, now.cause or event.cause)
        if isinstance(event, NotStored) and now.state not in (State.LEAVING, State.LIVE):
            return promise_and_go(now, "disk", "apology_down")
    return _HANDLERS[now.state](now, event)
