"""Who may prove a password, with what, from where and how often."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotline.sip import digest
from hotline.sip.digest import NONCE_LIFETIME_S, STALE, Digest, Verdict
from tests.hotline_sip.test_bucket import Hand

PHONE = "10.0.0.7"
URI = "sip:hotline@10.0.0.1"


@dataclasses.dataclass
class Asked:
    """Somebody who was challenged and may answer."""

    digest: Digest
    clock: Hand
    nonce: str

    def answer(
        self,
        password: str = "correct horse",
        *,
        count: int = 1,
        method: str = "INVITE",
        **other: str,
    ) -> str:
        fields = {
            "username": "601",
            "realm": digest.REALM,
            "nonce": self.nonce,
            "uri": URI,
            "qop": "auth",
            "nc": f"{count:08x}",
            "cnonce": "abc",
            **other,
        }
        fields = {name: value for name, value in fields.items() if value}
        fields["response"] = digest.response(fields, password, method)
        return "Digest " + ", ".join(f'{name}="{value}"' for name, value in fields.items())


@pytest.fixture
def asked() -> Asked:
    clock = Hand()
    made = Digest({"601": "correct horse", "602": "battery staple"}, now=clock)
    return Asked(made, clock, digest.parse(made.challenge(PHONE))["nonce"])


def test_the_example_of_rfc_2617() -> None:
    fields = {
        "username": "Mufasa",
        "realm": "testrealm@host.com",
        "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        "uri": "/dir/index.html",
        "qop": "auth",
        "nc": "00000001",
        "cnonce": "0a4f113b",
    }
    expected = "6629fae49393a05397450978507c4ef1"
    assert digest.response(fields, "Circle Of Life", "GET") == expected


def test_the_password_opens(asked: Asked) -> None:
    assert asked.digest.check(asked.answer(), "INVITE", PHONE) == Verdict("accepted", "601")


@pytest.mark.parametrize(
    "answer",
    [
        {"password": "correct hors"},
        {"password": "battery staple"},
        {"username": "999"},
        {"username": "602"},
        {"method": "REGISTER"},
    ],
)
def test_anything_else_is_wrong(asked: Asked, answer: dict[str, str]) -> None:
    verdict = asked.digest.check(asked.answer(**answer), "INVITE", PHONE)  # type: ignore[arg-type]
    assert verdict.kind == "wrong"


def test_an_unknown_name_and_a_wrong_password_look_alike(asked: Asked) -> None:
    kinds = {
        asked.digest.check(asked.answer(username=name, password="guess"), "INVITE", PHONE).kind
        for name in ("601", "999")
    }
    assert kinds == {"wrong"}


def test_the_same_proof_counts_once(asked: Asked) -> None:
    first, second = asked.answer(), asked.answer(count=2)
    assert asked.digest.check(first, "INVITE", PHONE).kind == "accepted"
    assert asked.digest.check(first, "INVITE", PHONE) == STALE
    assert asked.digest.check(second, "INVITE", PHONE).kind == "accepted"
    assert asked.digest.check(first, "INVITE", PHONE) == STALE


def test_without_a_count_a_nonce_serves_once(asked: Asked) -> None:
    old_way = asked.answer(qop="", nc="", cnonce="")
    assert asked.digest.check(old_way, "INVITE", PHONE).kind == "accepted"
    assert asked.digest.check(old_way, "INVITE", PHONE) == STALE


def test_a_nonce_ends(asked: Asked) -> None:
    asked.clock.now_s += NONCE_LIFETIME_S + 2
    assert asked.digest.check(asked.answer(), "INVITE", PHONE) == STALE


def test_a_nonce_serves_the_address_it_was_given_to(asked: Asked) -> None:
    assert asked.digest.check(asked.answer(), "INVITE", "10.0.0.8") == STALE
    assert asked.digest.check(asked.answer("guess"), "INVITE", "10.0.0.8") == STALE


@pytest.mark.parametrize(
    "other",
    [
        {"realm": "elsewhere"},
        {"qop": "auth-int"},
        {"algorithm": "SHA-256"},
        {"nc": "1"},
        {"uri": ""},
    ],
)
def test_what_we_did_not_ask_for_is_asked_again(asked: Asked, other: dict[str, str]) -> None:
    fields = {"uri": URI, **other}
    text = asked.answer(**{name: value or "x" for name, value in fields.items()})
    if not other.get("uri", URI):
        text = text.replace('uri="x", ', "")
    assert asked.digest.check(text, "INVITE", PHONE) == STALE


def test_more_nonces_than_remembered_cannot_be_used_again(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest, "NONCES_AT_MOST", 2)
    first = asked.answer()
    assert asked.digest.check(first, "INVITE", PHONE).kind == "accepted"
    for _ in range(3):
        asked.clock.now_s += 1
        asked.nonce = digest.parse(asked.digest.challenge(PHONE))["nonce"]
        assert asked.digest.check(asked.answer(), "INVITE", PHONE).kind == "accepted"
    assert asked.digest.check(first, "INVITE", PHONE) == STALE


@given(
    password=st.text(min_size=1),
    guess=st.text(min_size=1),
    name=st.text("abc019._-", min_size=1),
    uri=st.text(st.characters(codec="ascii", exclude_characters='"\\\r\n'), min_size=1),
)
def test_only_the_password_itself_opens(password: str, guess: str, name: str, uri: str) -> None:
    clock = Hand()
    made = Digest({name: password}, now=clock)
    someone = Asked(made, clock, digest.parse(made.challenge(PHONE))["nonce"])
    verdict = made.check(someone.answer(guess, username=name, uri=uri), "INVITE", PHONE)
    assert (verdict.kind == "accepted") == (guess == password)


@given(st.text())
def test_no_header_is_too_strange(text: str) -> None:
    made = Digest({"601": "correct horse"})
    assert made.check(text, "INVITE", PHONE) == STALE
    assert made.check("Digest " + text, "INVITE", PHONE) == STALE


def test_quoted_commas_and_spaces_are_understood() -> None:
    text = 'Digest username="a, b" ,realm = "x\\"y",nc=00000001'
    assert digest.parse(text) == {"username": "a, b", "realm": 'x"y', "nc": "00000001"}
