"""What the collector says and has: asked for by a key alone, shown as text, and erasable."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.outbox.store import SENT
from cqtel_tui.rights.exporting import FILE_NAME

from ..deliver.announcing import COOKIE, HASH, OPERATIONS, Rights
from ..deliver.collectors import reply
from .driving import ui

if TYPE_CHECKING:
    from ..deliver.collectors import Collector
    from .driving import Machine, Session

keys = pytest.mark.keys
HOSTILE = "\x1b]0;owned\x07[/nope][@click=app.quit]x[/]\u202e\x9b2J"


@pytest.fixture
def rights(empty: Machine, collector: Collector) -> Rights:
    """The rights at the endpoint of a machine whose user has decided nothing yet."""
    empty.choose(endpoint=collector.url)
    empty.make_cookie(COOKIE)
    return Rights(collector)


def asked(rights: Rights) -> list[str]:
    return [request.line.removesuffix(" HTTP/1.1") for request in rights.collector.requests]


@keys("stored.ask")
async def test_what_the_collector_says_is_shown_before_any_consent(
    empty: Machine, rights: Rights
) -> None:
    async with ui("stored", size=(120, 60)) as it:
        await it.shows(f"a asks {rights.collector.url}", "shows it your network address")
        assert rights.collector.connections == 0, "nothing is asked by itself"
        await it.press("a")
        await it.shows(
            "software   cqtel 0.1.0",
            "An unsalted SHA-1 of an IPv4 address can be reversed by trying all of them",
            f"cloudquery.ip_sha1 = {HASH}",
            "396 days",
        )
        assert it.room == "stored"
    assert asked(rights) == ["GET /v1/policy", "GET /v1/me"]
    assert empty.chosen.telemetry is None
    assert not any(COOKIE.encode() in request.head for request in rights.collector.requests)


async def test_a_key_of_the_day_is_shown_as_what_it_is(empty: Machine, rights: Rights) -> None:
    rights.policy["ip_hash"] = rights.me["ip_hash"] = "hmac-daily"
    async with ui("stored", size=(120, 60)) as it:
        await it.press("a")
        await it.shows("HMAC-SHA-256 with a random key of the day")
        assert "unsalted" not in it.text


async def test_without_an_endpoint_nobody_is_asked(empty: Machine) -> None:
    empty.make_cookie(COOKIE)
    async with ui("stored", size=(100, 30)) as it:
        await it.shows("No endpoint is set, so there is no collector to ask. 4 sets one.")
        await it.press("a")
        await it.shows("!! No endpoint is set")
        await it.press("5", "m")
        await it.told("No endpoint is set, so there is no collector to ask")
        await it.press("e")
        assert it.room == "cookie", "nothing is asked about what cannot be done"


async def test_an_answer_is_forgotten_when_the_endpoint_is_another(
    empty: Machine, rights: Rights
) -> None:
    async with ui("stored", size=(120, 60), look_every=0.05) as it:
        await it.press("a")
        await it.shows("software   cqtel 0.1.0")
        empty.choose(endpoint="https://other.invalid/v1/traces")
        await it.shows("a asks https://other.invalid/v1/traces")
        assert "software" not in it.text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(404), "it may be another kind of collector"),
        (reply(200, b"<html>"), "it does not respond like a cqtel collector"),
        (reply(307, Location="https://elsewhere.invalid/"), "redirects are not followed"),
        (b"", "did not respond"),
    ],
    ids=["another kind", "no JSON", "redirected", "no answer"],
)
async def test_a_collector_that_does_not_say_is_told_of(
    empty: Machine, rights: Rights, answer: bytes, words: str
) -> None:
    rights.collector.always = answer
    async with ui("stored", size=(120, 40)) as it:
        await it.press("a")
        await it.until(lambda: words in it.words, words)
        await it.press("5", "m", "y")
        await it.told(words)
        await it.press("e", "y")
        await it.until(lambda: sum(words in toast for toast in it.toasts) > 1, "another toast")


@keys("requesting.stop")
async def test_whoever_waits_sees_it_and_may_stop(empty: Machine, rights: Rights) -> None:
    rights.collector.always = rights.collector.hang
    async with ui("stored", size=(100, 30)) as it:
        await it.press("a")
        await it.shows("Asking what it does…", rights.collector.url, "Esc stops.")
        await it.press("escape")
        await it.shows("it was cancelled on its way")
        assert it.room == "stored"


async def test_a_collector_that_hangs_does_not_hold_the_exit(
    empty: Machine, rights: Rights
) -> None:
    rights.collector.always = rights.collector.hang
    async with ui("stored", size=(100, 30)) as it:
        await it.press("a")
        await it.shows("Asking what it does…")


@keys("cookie.mine", "mine.write", "mine.back")
async def test_what_the_collector_has_is_shown_and_written(empty: Machine, rights: Rights) -> None:
    path = empty.project / FILE_NAME
    async with ui("cookie", size=(120, 40)) as it:
        await it.press("m")
        assert "sees your network address and the installation ID" in it.question
        await it.press("enter")
        await it.until(lambda: it.room == "cookie")
        assert rights.collector.connections == 0, "Enter by reflex asks nobody"
        await it.press("m", "y")
        await it.shows("The collector's data about you: 1 operation", "service.name = cloudquery")
        await it.press("w")
        await it.told(f"Written to {path}")
        assert json.loads(path.read_text()) == {"operations": OPERATIONS}
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        await it.press("w")
        await it.told("is there already, and was left as it is")
        await it.press("escape")
        assert it.room == "cookie"
    assert asked(rights) == ["GET /v1/data"]


async def test_a_collector_that_has_nothing_is_shown_as_such(
    empty: Machine, rights: Rights
) -> None:
    rights.operations = []
    async with ui("cookie") as it:
        await it.press("m", "y")
        await it.shows("0 operations", "It was never sent there, or was erased.")
        await it.press("w", "q")
        await it.until(lambda: it.room == "cookie")
    assert not (empty.project / FILE_NAME).exists()


async def test_a_hundred_thousand_operations_are_shown_at_once(
    empty: Machine, rights: Rights
) -> None:
    rights.operations = [{"service.name": "x"}] * 100_000
    async with ui("cookie") as it:
        await it.press("m", "y")
        await it.shows("100,000 operations")
        await it.press("G")
        await it.shows("94,999 operations more")


@keys("cookie.erase")
async def test_it_is_erased_after_a_question_and_the_cookie_stays(
    empty: Machine, rights: Rights
) -> None:
    async with ui("cookie", size=(100, 30)) as it:
        await it.press("e")
        assert "sees your network address" in it.question
        await it.press("enter")
        await it.until(lambda: it.room == "cookie")
        assert rights.collector.connections == 0, "Enter by reflex erases nothing"
        await it.press("e", "y")
        await it.told(f"Erased at {rights.collector.url}: 2 spans.")
    assert rights.operations == []
    assert empty.cookie.read_text() == f"{COOKIE}\n"


@pytest.mark.parametrize("state", ["absent", "locked", "unsafe"])
async def test_without_a_cookie_nothing_can_be_asked_for(
    empty: Machine, rights: Rights, state: str
) -> None:
    empty.cookie.unlink()
    if state == "locked":
        empty.cookie.mkdir()
    elif state == "unsafe":
        empty.cookie.symlink_to(empty.project)
    async with ui("cookie", size=(100, 40)) as it:
        for key in "me":
            await it.press(key)
            await it.told(f"is {state}")
            assert it.room == "cookie"
    assert rights.collector.connections == 0


@pytest.mark.parametrize("key", ["r", "l"])
async def test_before_the_cookie_is_lost_its_data_can_be_erased(
    empty: Machine, rights: Rights, key: str
) -> None:
    async with ui("cookie", size=(100, 40)) as it:
        await it.press(key)
        assert "The installation ID is the key" in it.question
        await it.press("e")
        await it.told(f"Erased at {rights.collector.url}: 2 spans.")
        await it.until(lambda: not empty.cookie.is_file(), "the loss of the cookie")
    assert asked(rights) == ["DELETE /v1/data"]


@pytest.mark.parametrize("key", ["r", "l"])
async def test_where_it_is_not_erased_the_cookie_is_kept(
    empty: Machine, rights: Rights, key: str
) -> None:
    rights.instead["DELETE /v1/data"] = reply(503)
    async with ui("cookie", size=(100, 40)) as it:
        await it.press(key, "e")
        await it.told("it is busy; try again later")
        await it.told("The installation ID was left as it is")
        assert it.room == "cookie"
    assert empty.cookie.read_text() == f"{COOKIE}\n"


@pytest.mark.parametrize("key", ["r", "l"])
async def test_a_yes_without_erasure_asks_nobody(empty: Machine, rights: Rights, key: str) -> None:
    async with ui("cookie", size=(100, 40)) as it:
        await it.press(key, "y")
        await it.until(lambda: not empty.cookie.is_file(), "the loss of the cookie")
    assert rights.collector.connections == 0


@pytest.mark.parametrize("fails", [False, True])
async def test_a_no_offers_to_erase_there_before_the_cookie_goes(
    machine: Machine, rights: Rights, *, fails: bool
) -> None:
    held = len(machine.labels())
    if fails:
        rights.instead["DELETE /v1/data"] = reply(500)
    async with ui("choices", size=(100, 40)) as it:
        await it.press("t", "f")
        await it.answer()
        assert "and erase there" in it.question
        await it.press("e")
        if fails:
            await it.told("it responded 500")
            await it.told("The installation ID was left as it is")
            assert it.room == "choices"
        else:
            await it.told(f"Deleted: {held} pending payloads, the installation ID.")
    assert machine.chosen.telemetry == "off", "a no is saved first, whatever comes of the rest"
    assert asked(rights) == ["DELETE /v1/data"]
    assert (len(machine.labels()), machine.cookie.exists()) == (
        (held, True) if fails else (0, False)
    )


@pytest.mark.parametrize("missing", ["endpoint", "cookie"])
async def test_where_nothing_can_be_erased_nothing_is_offered(
    machine: Machine, rights: Rights, missing: str
) -> None:
    if missing == "cookie":
        machine.cookie.unlink()
    else:
        machine.choose(endpoint=None)
    async with ui("cookie", size=(100, 40)) as it:
        for pressed in (["t", "f"], ["r"], ["l"]):
            await it.press(*pressed)
            await it.answer()
            assert "erase there" not in it.question
            await it.press("e")
            await it.answer("n")
            await it.until(lambda: it.room == "cookie")
    assert rights.collector.connections == 0


async def test_a_read_only_session_asks_nobody(empty: Machine, rights: Rights) -> None:
    async with ui("stored", size=(100, 40), readonly=True) as it:
        await it.press("a", "5", "m", "e")
        assert it.room == "cookie"
    assert rights.collector.connections == 0


async def test_nothing_is_asked_by_looking_around(empty: Machine, rights: Rights) -> None:
    empty.allow(rights.collector.url)
    async with ui(size=(100, 40), look_every=0.05) as it:
        await it.press(*"1234567654321", "question_mark", "escape", "5")
        await it.until(lambda: it.room == "cookie")
        await looked_twice(it)
    assert rights.collector.connections == 0
    assert empty.labels(SENT) == []


async def looked_twice(it: Session) -> None:
    """Wait until the UI has looked again at how things stand."""
    for _ in range(2):
        before = it.app.snapshot
        (it.app.outbox.folder / "pending").mkdir(parents=True, exist_ok=True)
        (it.app.outbox.folder / "pending" / "x").touch()
        (it.app.outbox.folder / "pending" / "x").unlink()
        await it.until(lambda before=before: it.app.snapshot is not before, "another look")  # type: ignore[misc]


async def test_no_word_of_a_collector_is_markup_or_reaches_the_terminal(
    empty: Machine, rights: Rights
) -> None:
    rights.policy |= {"software": HOSTILE, "location": HOSTILE, "ip_hash": HOSTILE}
    rights.policy["derived"] = [{"field": HOSTILE, "how": HOSTILE}]
    rights.me[HOSTILE] = HOSTILE
    rights.operations = [{HOSTILE: HOSTILE, "spans": [{HOSTILE: HOSTILE}]}]
    rights.instead["DELETE /v1/data"] = reply(400, HOSTILE.encode())
    async with ui("stored", size=(120, 60)) as it:
        await it.press("a")
        await it.shows("software   ␛]0;owned␇[/nope][@click=app.quit]x[/]\\u{202e}\\u{9b}2J")
        await it.press("5", "m", "y")
        await it.shows("␛]0;owned␇[/nope]")
        await it.press("escape", "e", "y")
        await it.told("it responded 400: ␛]0;owned␇[/nope]")
        assert not set("\x1b\x07\u202e\x9b") & set(it.text)
