"""What is to be told to a caller stands on the page of the call-back."""

from __future__ import annotations

from cases import intake, review
from cases.intake import Arrival
from core import auth
from core.clock import utc_now
from core.database import Database
from core.models import User
from core.outbox import Dispatcher
from tests.web.conftest import VILLAGE, Clients
from tests.web.test_callbacks import NUMBER, Owe, act, owe, stored
from web import callback_list
from web.deps import Services
from web.duties import background

__all__ = ["owe"]
TOLD = "诉求 123 456 783 不予受理：劳动争议。可以找：仲裁委"


def test_what_is_to_be_told_is_read_before_and_after_the_call(
    client: Clients, owe: Owe, database: Database
) -> None:
    task = owe("refused", note=TOLD)
    browser = client("operator")
    page = browser.get(f"/callbacks/{task}").text
    assert callback_list.REASONS["refused"] in page
    assert TOLD in page
    act(browser, task, "done", outcome="helped", note="已告知")
    assert stored(database, task).note == f"{TOLD}\n已告知"


def test_a_refusal_puts_its_caller_on_the_list(
    client: Clients, services: Services, cast: dict[str, int]
) -> None:
    with services.database.write() as session:
        operator = auth.actor_of(session.get_one(User, cast["operator"]))
        arrival = Arrival(
            channel="phone", source_key="call:1", received_at=utc_now(), typed_text="工资",
            village_code=VILLAGE, caller_number=NUMBER,
        )  # fmt: skip
        report = intake.receive(session, services.store, services.sealer, arrival).report
        opened = review.start(session, operator, report.id)
        review.reject(
            session, operator, report.id, opened.version, reason="劳动争议", route="仲裁委"
        )
    (dispatcher,) = [duty for duty in background(services) if isinstance(duty, Dispatcher)]
    dispatcher.run_due()
    assert callback_list.REASONS["refused"] in client("operator").get("/callbacks").text
