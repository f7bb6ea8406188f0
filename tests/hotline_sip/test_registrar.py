"""Phones with an account: where they are, how long, and that a restart forgets none."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core import clock
from core.clock import FakeClock
from hotline.sip.registrar import LONGEST_S, Registrar, Reply, Wish
from tests.counterparts import require
from tests.hotline_sip.conftest import Hotline, wait_until
from tests.hotline_sip.fake_telephony import FakeTelephony
from tests.hotline_sip.raw import RawCaller, offer
from tests.hotline_sip.test_baresip import Baresip
from tests.hotline_sip.test_refusals import proof

HERE = ("10.0.0.7", 5060)
FIRST = Wish("601", HERE, "a", 1, (("sip:601@10.0.0.7", "10.0.0.7", 5060, None),))


@pytest.fixture
def time() -> Iterator[FakeClock]:
    made = FakeClock(datetime(2026, 7, 1, tzinfo=UTC))
    with clock.use(made):
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registrations.json"


@pytest.fixture
def registrar(time: FakeClock, path: Path) -> Registrar:
    return Registrar(path, {"601", "602"})


def address(registrar: Registrar, name: str = "601") -> tuple[str, int] | None:
    contact = registrar.find(name)
    return contact and contact.address


def test_a_phone_is_found_until_its_time_is_over(registrar: Registrar, time: FakeClock) -> None:
    reply = registrar.handle(dataclasses.replace(FIRST, expires_s=120))
    assert reply == Reply(200, "OK", ("Contact: <sip:601@10.0.0.7>;expires=120",))
    time.advance(timedelta(seconds=119))
    assert address(registrar) == HERE
    assert registrar.at("10.0.0.7")
    time.advance(timedelta(seconds=1))
    assert address(registrar) is None
    assert not registrar.at("10.0.0.7")


def test_the_newest_phone_wins(registrar: Registrar) -> None:
    registrar.handle(FIRST)
    other = (("sip:601@10.0.0.8", "10.0.0.8", 5062, None),)
    registrar.handle(Wish("601", ("10.0.0.8", 5062), "b", 1, other))
    assert address(registrar) == ("10.0.0.8", 5062)


def test_a_contact_elsewhere_is_reached_where_the_proof_came_from(registrar: Registrar) -> None:
    behind = (("sip:601@192.168.1.5:5060", "192.168.1.5", 5060, None),)
    registrar.handle(dataclasses.replace(FIRST, source=("10.0.0.7", 40123), contacts=behind))
    assert address(registrar) == ("10.0.0.7", 40123)


def test_a_phone_that_listens_on_another_port_is_reached_there(registrar: Registrar) -> None:
    registrar.handle(dataclasses.replace(FIRST, source=("10.0.0.7", 40123)))
    assert address(registrar) == HERE


def test_a_restart_forgets_nobody(registrar: Registrar, path: Path) -> None:
    registrar.handle(FIRST)
    assert Registrar(path, {"601"}).find("601") == registrar.find("601")


def test_an_account_that_was_taken_away_is_forgotten(registrar: Registrar, path: Path) -> None:
    registrar.handle(FIRST)
    assert Registrar(path, {"602"}).find("601") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"601": 1}', b'{"601": {"uri": "x"}}'])
def test_a_damaged_file_stops_nothing(time: FakeClock, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    registrar = Registrar(path, {"601"})
    assert registrar.find("601") is None
    assert registrar.handle(FIRST).code == 200


def test_a_clock_that_jumped_back_keeps_no_phone_for_years(
    registrar: Registrar, time: FakeClock, path: Path
) -> None:
    registrar.handle(FIRST)
    time.advance(timedelta(days=-400))
    assert Registrar(path, {"601"}).find("601") is None


@pytest.mark.parametrize(
    "gone",
    [
        dataclasses.replace(FIRST, sequence=2, expires_s=0),
        dataclasses.replace(
            FIRST, sequence=2, contacts=(("sip:601@10.0.0.7", "10.0.0.7", 5060, 0),)
        ),
        dataclasses.replace(FIRST, sequence=2, contacts=(), everything=True, expires_s=0),
    ],
)
def test_a_phone_takes_its_leave(registrar: Registrar, path: Path, gone: Wish) -> None:
    registrar.handle(FIRST)
    assert registrar.handle(gone) == Reply(200, "OK")
    assert address(registrar) is None
    assert Registrar(path, {"601"}).find("601") is None


def test_the_leave_of_an_old_phone_does_not_end_the_new_one(registrar: Registrar) -> None:
    registrar.handle(FIRST)
    other = (("sip:601@10.0.0.8", "10.0.0.8", 5062, None),)
    registrar.handle(Wish("601", ("10.0.0.8", 5062), "b", 1, other))
    registrar.handle(dataclasses.replace(FIRST, sequence=2, expires_s=0))
    assert address(registrar) == ("10.0.0.8", 5062)


def test_asking_changes_nothing(registrar: Registrar) -> None:
    registrar.handle(FIRST)
    reply = registrar.handle(Wish("601", HERE, "q", 1))
    assert reply.headers == ("Contact: <sip:601@10.0.0.7>;expires=600",)


def test_what_comes_late_or_twice_does_nothing(registrar: Registrar) -> None:
    registrar.handle(dataclasses.replace(FIRST, sequence=7))
    assert registrar.handle(dataclasses.replace(FIRST, sequence=7, expires_s=0)).code == 500
    assert address(registrar) == HERE


def test_too_short_a_time_is_refused_and_too_long_a_one_cut(registrar: Registrar) -> None:
    short = registrar.handle(dataclasses.replace(FIRST, expires_s=5))
    assert short == Reply(423, "Interval Too Brief", ("Min-Expires: 60",))
    long = registrar.handle(dataclasses.replace(FIRST, expires_s=1 << 31))
    assert long.headers[0].endswith(f"expires={LONGEST_S}")


def test_everything_is_only_for_leaving(registrar: Registrar) -> None:
    registrar.handle(FIRST)
    wish = dataclasses.replace(FIRST, sequence=2, contacts=(), everything=True)
    assert registrar.handle(wish).code == 400
    assert address(registrar) == HERE


def test_a_full_disk_does_not_stop_phones(registrar: Registrar, path: Path) -> None:
    path.with_name(f".{path.name}.tmp").mkdir()
    assert registrar.handle(FIRST).code == 200
    assert address(registrar) == HERE


# On the wire


@pytest.fixture(scope="module")
def hotline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hotline]:
    made = Hotline(tmp_path_factory.mktemp("accounts"))
    made.environment |= {
        "XIANGYIN_SIP_ACL": "127.0.0.9",
        "XIANGYIN_SIP_ACCOUNTS": "601:correct horse, 602:battery-staple",
    }
    yield made
    made.stop()


@pytest.fixture(scope="module")
def telephony(hotline: Hotline) -> Iterator[FakeTelephony]:
    made = FakeTelephony(hotline.data)
    hotline.start("signalling")
    wait_until(lambda: made.connections == 1, explain=hotline.logs)
    yield made
    made.close()


@pytest.fixture
def phone(hotline: Hotline, telephony: FakeTelephony) -> Iterator[RawCaller]:
    made = RawCaller(hotline.address)
    yield made
    made.close()


def register(phone: RawCaller, *, password: str = "correct horse", to: str = "601") -> int:
    """REGISTER with proof; the final status."""

    def message(sequence: int, extra: str = "") -> bytes:
        text = phone.message("REGISTER", sequence, to_tag="", extra=extra)
        return text.replace(b"To: <sip:hotline@there>", f"To: <sip:{to}@there>".encode())

    assert phone.status(message(1)) == 401
    return phone.status(message(2, proof(phone, password, "REGISTER")))


@pytest.mark.slow
def test_a_registered_phone_is_rung_and_is_so_after_a_restart(
    hotline: Hotline, telephony: FakeTelephony, phone: RawCaller
) -> None:
    assert register(phone) == 200
    assert "expires=600" in phone.last
    hotline.kill("signalling")
    hotline.start("signalling")
    wait_until(lambda: telephony.connections == 2, explain=hotline.logs)
    telephony.dial("601")
    assert phone.hear("INVITE").startswith(f"INVITE sip:a@127.0.0.1:{phone.port} SIP/2.0")
    telephony.say("hang_up", "out1")
    assert telephony.hear("ended")["cause"] == "cancelled"


@pytest.mark.slow
def test_nobody_registers_another_name_or_without_the_password(phone: RawCaller) -> None:
    assert register(phone, to="602") == 403
    phone.call_id += "x"
    assert register(phone, password="guess") == 403


@pytest.mark.slow
def test_an_account_without_a_phone_is_unreachable(telephony: FakeTelephony) -> None:
    telephony.dial("602")
    assert telephony.hear("ended")["cause"] == "unreachable"


@pytest.mark.slow
def test_a_call_with_proof_carries_the_name_of_the_account(
    telephony: FakeTelephony, phone: RawCaller
) -> None:
    assert phone.status(phone.message("INVITE", 1, offer())) == 401
    extra = proof(phone, "correct horse") + "\r\nP-Asserted-Identity: <sip:110@police>"
    phone.send(phone.message("INVITE", 2, offer(), extra=extra))
    invite = telephony.hear("invite")
    assert invite["caller"] == "601"
    telephony.say("answer", invite["id"], sdp=offer())
    answer = phone.hear("SIP/2.0 200")
    phone.their_tag = answer.split("To:")[1].split("tag=")[1].split("\r\n")[0]
    telephony.hear("answered")
    phone.send(phone.message("ACK", 2))
    assert phone.status(phone.message("BYE", 3)) == 200
    assert telephony.hear("ended")["cause"] == "hangup"


@pytest.mark.slow
def test_the_same_proof_again_is_no_second_call(telephony: FakeTelephony, phone: RawCaller) -> None:
    assert phone.status(phone.message("INVITE", 1, offer())) == 401
    message = phone.message("INVITE", 2, offer(), extra=proof(phone, "correct horse"))
    phone.send(message)
    call_id = telephony.hear("invite")["id"]
    telephony.say("refuse", call_id, code=480, reason="No")
    assert phone.hear("SIP/2.0 480")
    again = message.replace(phone.call_id.encode(), b"another")
    assert phone.status(again) == 401
    assert "stale=true" in phone.last
    assert telephony.hears_nothing()


@pytest.mark.slow
def test_strangers_hear_nothing_but_the_question_for_proof(phone: RawCaller) -> None:
    stranger = RawCaller(phone.target, "127.0.0.33")
    for method in ("OPTIONS", "BYE", "CANCEL", "SUBSCRIBE", "REFER"):
        assert stranger.status(stranger.message(method, 1), 0.3) == 0
    assert stranger.status(stranger.message("INVITE", 1, offer())) == 401
    assert "www-authenticate: digest" in stranger.last.lower()
    stranger.close()


@pytest.mark.slow
def test_the_acl_calls_without_a_password_but_does_not_register(
    hotline: Hotline, telephony: FakeTelephony
) -> None:
    gateway = RawCaller(hotline.address, "127.0.0.9")
    assert gateway.status(gateway.message("REGISTER", 1)) == 401
    gateway.send(gateway.message("INVITE", 1, offer()))
    invite = telephony.hear("invite")
    telephony.say("refuse", invite["id"], code=480, reason="No")
    gateway.close()


@pytest.mark.slow
@pytest.mark.real("baresip")
def test_a_foreign_phone_registers_is_rung_and_hangs_up(
    hotline: Hotline, telephony: FakeTelephony, tmp_path: Path
) -> None:
    require("baresip")
    account = (
        f"<sip:602@127.0.0.1:{hotline.port}>;auth_user=602;auth_pass=battery-staple;regint=60;"
        "answermode=auto;audio_codecs=PCMA/8000/1\n"
    )
    phone = Baresip(tmp_path / "baresip", "PCMA", account=account)
    try:
        wait_until(lambda: '"account": "602"' in hotline.log("signalling"), explain=hotline.logs)
        telephony.dial("602", "ring")
        telephony.hear("ringing")
        assert telephony.hear("picked_up")["offer"]["codec"] == "PCMA"
        phone.do("hangup")
        assert telephony.hear("ended") == {"type": "ended", "id": "ring", "cause": "hangup"}
    finally:
        phone.process.kill()
        phone.process.wait()
