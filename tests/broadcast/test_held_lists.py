"""The tag of a list, by which a player names what it holds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from broadcast import held_lists
from broadcast.manifest import Manifest

KEY = "0123456789abcdef"


def test_a_tag_names_its_version() -> None:
    listed = Manifest("510101100201", 42, datetime(2026, 6, 1, tzinfo=UTC), "{}", ())
    assert held_lists.version_of(held_lists.tag(listed, KEY), KEY) == 42


def test_the_tag_changes_with_the_plays_of_the_same_version() -> None:
    issued_at = datetime(2026, 6, 1, tzinfo=UTC)
    one, other = (Manifest("510101100201", 42, issued_at, text, ()) for text in ("{}", "[]"))
    assert held_lists.tag(one, KEY) != held_lists.tag(other, KEY)


@pytest.mark.parametrize(
    "tag", ["", '"7"', f'"x-abc-{KEY}"', '"7-abc-another"', f'"99999999999-abc-{KEY}"', "*"]
)
def test_a_tag_that_is_none_of_ours_names_no_list(tag: str) -> None:
    assert held_lists.version_of(tag, KEY) is None
