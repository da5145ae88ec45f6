"""A program's contract on the screen: what it asks is shown before a yes, and when it grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cqtel_tui import Telemetry
from cqtel_tui.actions.question import Answer, answered, destination, plan_answers, words
from cqtel_tui.consent.decision import ask
from cqtel_tui.outbox import dispatch
from cqtel_tui.tui.first_run import is_due, latest, note_asked

from ..contracts import NOWHERE, PAID, changed, local, written
from .driving import ui
from .test_prompt import prompt, text, unwrapped

if TYPE_CHECKING:
    from cqtel_tui.actions.question import Question
    from cqtel_tui.consent.choices import Choice
    from cqtel_tui.consent.decision import Decision

    from .driving import Machine

from cqtel_tui.consent.choices import read_user

DAY = 24 * 3600
NOW = 1_800_000_000.0
SHOP = local()
SECOND = changed(SHOP, ("version = 1", "version = 2"), (NOWHERE, "http://127.0.0.1:7"))
SECOND += PAID
FIRST_URL = f"{NOWHERE}/v1/traces"
SECOND_URL = "http://127.0.0.1:7/v1/traces"
IS_PAID = "shop.is_paid (boolean: true or false): Whether the order was paid."


@pytest.fixture(autouse=True)
def no_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no sender, which would set aside what is looked at here."""
    monkeypatch.setattr(dispatch, "start_if_due", lambda *_: None)


def bought(machine: Machine, contract: str = SHOP) -> Question:
    """Record an operation of the shop; return what would be asked about it."""
    telemetry = Telemetry("shop", contract=written(machine.project, contract))
    with telemetry.operation("buy") as operation:
        operation.set("shop.theme", "dark")
        operation.set("shop.is_paid", value=True)
    question = latest(machine.places)
    assert question is not None
    return question


def answer(machine: Machine, question: Question, letter: Answer) -> str:
    """Answer a question; return what is said."""
    result = answered(machine.places, question, plan_answers(question), letter)
    return result.messages[0].text


def choice(machine: Machine) -> Choice:
    return read_user(machine.places.config).choice("shop")


def decision(machine: Machine) -> Decision:
    return ask(machine.places, directory=str(machine.project), program="shop")


def test_the_first_question_says_what_the_contract_is_and_where_payloads_go(
    empty: Machine,
) -> None:
    question = bought(empty)
    [about] = question.news
    assert about == (
        "Contract of shop, version 1: https://shop.example/telemetry. Questions go to "
        "privacy@shop.example. What was sent is deleted after 90 days."
    )
    [line] = destination(question)
    assert line.endswith(f"{FIRST_URL} (as its contract says).")
    assert question.url == FIRST_URL
    assert answer(empty, question, Answer.ALLOW).startswith("telemetry of shop is on")
    assert (choice(empty).endpoint, decision(empty).endpoint) == (FIRST_URL, FIRST_URL)


@pytest.mark.parametrize("letter", [Answer.REFUSE, Answer.LATER])
def test_no_other_answer_sets_the_endpoint(empty: Machine, letter: Answer) -> None:
    answer(empty, bought(empty), letter)
    assert choice(empty).endpoint is None
    assert choice(empty).contract == "none"


def test_what_a_newer_version_asks_is_asked_once_a_day_and_three_times_in_all(
    empty: Machine,
) -> None:
    note_asked(empty.places, NOW, "shop")
    answer(empty, bought(empty), Answer.ALLOW)
    assert not is_due(empty.places, NOW + 2 * DAY, "shop"), "nothing is new"
    bought(empty, SECOND)
    assert not is_due(empty.places, NOW + DAY - 1, "shop"), "it was asked today"
    for day in range(1, 4):
        assert is_due(empty.places, NOW + day * DAY, "shop")
        note_asked(empty.places, NOW + day * DAY, "shop")
    assert not is_due(empty.places, NOW + 9 * DAY, "shop")


def test_what_is_new_is_shown_and_left_out_until_it_is_agreed_to(empty: Machine) -> None:
    answer(empty, bought(empty), Answer.ALLOW)
    yes = choice(empty).yes
    question = bought(empty, SECOND)
    assert b"shop.is_paid" not in question.envelope.payload
    assert question.title == "shop asks for more than you agreed to."
    assert "Nothing was sent" not in question.subtitle, "it may have been"
    assert question.news[0] == "New since your yes:"
    assert any(IS_PAID in line for line in question.news)
    assert any("payloads go to http://127.0.0.1:7, no longer" in one for one in question.news)
    assert list(words(question)) == [Answer.REFUSE, Answer.ALLOW, Answer.SHOW, Answer.LATER]
    answer(empty, question, Answer.LATER)
    assert choice(empty).endpoint == FIRST_URL
    assert answer(empty, question, Answer.ALLOW) == "telemetry of shop is on, for what is new, too"
    assert (choice(empty).endpoint, choice(empty).yes) == (SECOND_URL, yes)
    assert b"shop.is_paid" in bought(empty, SECOND).envelope.payload


def test_nothing_is_asked_again_where_the_yes_covers_all_of_it(empty: Machine) -> None:
    answer(empty, bought(empty), Answer.ALLOW)
    question = bought(empty)
    assert not question.is_again
    assert question.title == "shop recorded this run."
    assert list(words(question))[1] is Answer.ONCE


@pytest.mark.parametrize("key", ["o", "s"])
async def test_an_answer_that_is_not_offered_is_none(empty: Machine, key: str) -> None:
    answer(empty, bought(empty), Answer.ALLOW)
    async with prompt(bought(empty, SECOND)) as pilot:
        await pilot.press(key)
        assert pilot.app.return_value is None
        shown = unwrapped(text(pilot))
        assert "shop asks for more than you agreed to. It was left out. Agree?" in shown
        assert IS_PAID in shown
        await pilot.press("a")
        assert pilot.app.return_value is Answer.ALLOW


async def test_the_consent_screen_shows_the_contract_and_a_yes_is_to_it(empty: Machine) -> None:
    bought(empty)
    async with ui("choices", size=(160, 50), look_every=0.2) as it:
        await it.shows("Its contract adds:", "+ shop.theme", "as its contract says")
        await it.shows("Left out of shop's last payload: shop.is_paid: not in the catalogue")
        await it.press("t")
        await it.answer("o")
        await it.until(lambda: "from now on?" in it.question)
        assert "shop.theme (string" in it.question
        assert f"{FIRST_URL} (as its contract says)" in it.question
        await it.press("y")
        await it.until(lambda: choice(empty).endpoint == FIRST_URL)
        await it.shows("Contract of shop, version 1")
        assert "Its contract adds" not in it.text
        bought(empty, SECOND)
        await it.shows("New since your yes:", "+ shop.is_paid")


async def test_always_in_the_question_of_sending_is_a_yes_to_the_contract_it_shows(
    empty: Machine,
) -> None:
    bought(empty)
    async with ui("pending") as it:
        await it.press("s")
        await it.until(lambda: "Send 1 payload?" in it.question)
        assert "shop.theme (string" in it.question
        await it.press("a")
        await it.until(lambda: choice(empty).telemetry == "on")
    assert choice(empty).endpoint == FIRST_URL
    assert len(choice(empty).contract) == 64


async def test_a_field_of_its_own_is_explained_by_its_own_documentation(empty: Machine) -> None:
    bought(empty)
    async with ui("pending", size=(140, 40)) as it:
        await it.shows("shop.theme", "dark")
        assert "Not in the catalogue" not in it.text
