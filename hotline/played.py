"""What the dialogue lets a caller hear, apart from prompts: plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VillageName:
    """The spoken name of a village, a sound of the directory."""

    code: str


@dataclass(frozen=True)
class VillageNews:
    """All news of a village, sounds of the directory."""

    code: str


@dataclass(frozen=True)
class OwnTake:
    """A take of this call."""

    number: int


@dataclass(frozen=True)
class FileSound:
    """A sound the office named."""

    path: str


@dataclass(frozen=True)
class LanguageOffer:
    """The sentence that offers a language, in that language."""

    language: str


Sound = str | VillageName | VillageNews | OwnTake | FileSound | LanguageOffer
"""What is played; a string is an id of ``hotline.prompts``."""
