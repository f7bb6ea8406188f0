"""Chance decides which reports are asked for word for word."""

from __future__ import annotations

from cases import sampling
from core.sealed import Sealer


def test_the_sample_is_the_same_each_time_and_about_one_in_ten() -> None:
    sealer = Sealer(b"a secret")
    numbers = [f"{number:09}" for number in range(5_000)]
    chosen = [number for number in numbers if sampling.in_sample(sealer, number, 10)]
    assert chosen == [number for number in numbers if sampling.in_sample(sealer, number, 10)]
    assert 400 < len(chosen) < 600


def test_nobody_without_the_secret_knows_the_sample() -> None:
    numbers = [f"{number:09}" for number in range(200)]
    one, other = Sealer(b"a secret"), Sealer(b"another secret")
    assert [sampling.in_sample(one, n, 2) for n in numbers] != [
        sampling.in_sample(other, n, 2) for n in numbers
    ]


def test_none_is_asked_when_the_setting_says_so() -> None:
    sealer = Sealer(b"a secret")
    assert not any(sampling.in_sample(sealer, f"{number:09}", 0) for number in range(100))
