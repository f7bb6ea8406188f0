"""The page's language: every catalogue under web/locale/<language>/ merged once at start.

Message ids are English; so English needs no catalogue. A room brings its own ``.po`` file and
never touches another's. When two files translate the same sentence, the first by name counts.
"""

from __future__ import annotations

import gettext as standard
import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from core.errors import XiangyinError

LOCALE_FOLDER = Path(__file__).parent / "locale"
LANGUAGES = {"zh-CN": "zh_CN", "en": "en"}
"""Language tag of pages -> folder of its catalogues."""
NAMES = {"zh-CN": "简体中文", "en": "English"}
DEFAULT = "zh-CN"

_language: ContextVar[str] = ContextVar("language", default=DEFAULT)


def merged_catalogue(folder: Path) -> Catalog:
    """One catalogue from all ``.po`` files of a language's folder; fuzzy entries do not count."""
    merged = Catalog(locale=folder.name)
    for path in sorted(folder.glob("*.po")):
        with path.open("rb") as stream:
            for message in read_po(stream, locale=folder.name):
                if message.id and message.string and not message.fuzzy and message.id not in merged:
                    merged.add(message.id, message.string, context=message.context)
    return merged


@lru_cache(maxsize=len(LANGUAGES))
def translations(language: str) -> standard.NullTranslations:
    """The translations of a page language; unknown sentences stay English."""
    folder = LOCALE_FOLDER / LANGUAGES[language]
    if not folder.is_dir():
        return standard.NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, merged_catalogue(folder))
    compiled.seek(0)
    return standard.GNUTranslations(compiled)


def language() -> str:
    """Language tag of the request being answered ("zh-CN", "en")."""
    return _language.get()


@contextmanager
def speaking(tag: str) -> Iterator[None]:
    """Answer in this language inside the block."""
    token = _language.set(tag if tag in LANGUAGES else DEFAULT)
    try:
        yield
    finally:
        _language.reset(token)


def gettext(message: str) -> str:
    """``message`` in the language of the request."""
    return translations(language()).gettext(message) if message else ""


def ngettext(one: str, many: str, count: int) -> str:
    """The singular or plural of a sentence in the language of the request."""
    return translations(language()).ngettext(one, many, count)


def error_text(error: XiangyinError) -> str:
    """What happened and what to do, in the language of the request."""
    message = gettext(error.message)
    return message % error.params if error.params else message


def choose(query: str | None, cookie: str | None, accepted: str | None) -> str:
    """The language for a request: asked for in the address, kept in the cookie, or accepted."""
    for wish in (query, cookie):
        if wish in LANGUAGES:
            return str(wish)
    for part in (accepted or "").split(","):
        tag = part.split(";")[0].strip().lower()
        if tag.startswith("zh"):
            return "zh-CN"
        if tag.startswith("en"):
            return "en"
    return DEFAULT
