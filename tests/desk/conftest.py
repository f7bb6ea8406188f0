"""The county of the cases' tests."""

from tests.cases.conftest import arrive, cast

__all__ = ["arrive", "cast"]
