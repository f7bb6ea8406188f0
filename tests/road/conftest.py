"""One demo town for the tests that only use it; those that break things start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.road.town import Town


@pytest.fixture(scope="package")
def town() -> Iterator[Town]:
    """A running demo town."""
    started = Town("--demo")
    try:
        started.start()
        yield started
    finally:
        started.remove()
