"""What failed is tried again after a pause of its own, which grows."""

from __future__ import annotations

import pytest

from hotline import patience
from hotline.patience import Patience


class Watch:
    """A clock in the hand of the test."""

    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch()
    monkeypatch.setattr(patience, "time", made)
    return made


def test_the_pause_grows_up_to_the_last_one(watch: Watch) -> None:
    subject, waited = Patience((1, 5)), []
    for _ in range(3):
        subject.failed("a")
        begun_s = watch.now_s
        while not subject.is_due("a"):
            watch.now_s += 1
        waited.append(watch.now_s - begun_s)
    assert waited == [1, 5, 5]


def test_one_that_fails_delays_no_other(watch: Watch) -> None:
    subject = Patience((1,))
    subject.failed("a")
    assert (subject.is_due("a"), subject.is_due("b")) == (False, True)


def test_failures_are_counted_for_each() -> None:
    subject = Patience((1,))
    for _ in range(2):
        subject.failed("a")
    assert (subject.failures("a"), subject.failures("b")) == (2, 0)


@pytest.mark.parametrize("over", ["succeeded", "gone"])
def test_what_succeeded_or_is_gone_is_forgotten(watch: Watch, over: str) -> None:
    subject = Patience((60,))
    subject.failed("a")
    assert subject.is_tried
    subject.succeeded("a") if over == "succeeded" else subject.keep({"b"})
    assert not subject.is_tried
    assert subject.is_due("a")
