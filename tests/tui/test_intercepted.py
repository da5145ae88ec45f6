"""What the gate intercepted: seen beside what would be sent, trimmed, and linked with its run."""

from __future__ import annotations

import gzip
import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui.actions import demo
from cqtel_tui.gate.channels import CLOUDQUERY
from cqtel_tui.gate.holding import Reporter, hold_requests
from cqtel_tui.gate.requests import Request
from cqtel_tui.outbox.store import SENT
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.tui.screens.trimming import Trimming

from .driving import ui
from .terminal import terminal

if TYPE_CHECKING:
    from cqtel_tui.outbox.envelope import Label

    from ..deliver.collectors import Collector
    from .driving import Machine, Session

keys = pytest.mark.keys
WRITE_KEY = "Basic c2VjcmV0LXdyaXRlLWtleTo="
ERROR_TEXT = "hunter2-in-the-error-text"


@pytest.fixture
def run(empty: Machine) -> Machine:
    """Return a machine on which one program was run under the gate."""
    demo.catch(time.time_ns())
    return empty


def hold(machine: Machine, body: bytes, path: str = "/v1/batch", **given: Any) -> None:
    headers = {"content-type": "application/json", "authorization": WRITE_KEY}
    request = Request("POST", path, tuple((headers | given).items()), body, machine.clock())
    upstream = given.pop("upstream", CLOUDQUERY.upstream)
    one = Reporter("cloudquery", "6.21.1", str(machine.project), "", upstream, debug=False)
    hold_requests(machine.places.state, [request], CLOUDQUERY, one)


def event(**properties: Any) -> bytes:
    message = {"type": "track", "event": "sync", "anonymousId": "me", "properties": properties}
    return json.dumps({"batch": [message]}).encode()


async def looked_at(it: Session) -> Label:
    """Wait until the detail shows the payload under the cursor."""

    def is_shown() -> bool:
        envelope, label = it.box.detail.envelope, it.box.envelopes.current
        return envelope is not None and label is not None and envelope.id == label.id

    await it.until(is_shown, "the payload under the cursor")
    label = it.box.envelopes.current
    assert label is not None
    return label


async def show(it: Session, view: str) -> str:
    await looked_at(it)
    it.box.detail.turn_to(view)
    await it.pilot.pause()
    return it.box.detail.lines.text


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_side_by_side_each_value_has_its_fate_and_its_reason(
    run: Machine, size: tuple[int, int]
) -> None:
    async with ui(size=size) as it:
        await it.press("j", "j")
        assert (await looked_at(it)).operation == "init_completed"
        text = await show(it, "intercepted")
        assert "6 removed · ~ 2 replaced · = 8 kept" in text
        assert "What was intercepted" in text
        assert "What would be sent" in text
        line = next(line for line in text.split("\n") if "accept_defaults" in line)
        left, right = line.split(" │ ")
        assert "true" in left
        assert right.startswith("nothing: an option of")
        assert "init_completed" in text


@keys("box.reveal")
async def test_a_credential_in_a_header_is_shown_by_a_key_and_masked_again(run: Machine) -> None:
    async with ui() as it:
        await it.press("j")
        text = await show(it, "raw")
        assert it.box.detail.envelope is not None
        credential = it.box.detail.envelope.headers["Authorization"]
        assert "Authorization: Basic ••••••••" in text
        assert "Host: analytics-events.cloudquery.io" in text
        assert "Content-Length: " in text
        assert credential not in text
        await it.press("H")
        assert credential in it.box.detail.lines.text
        await it.press("H")
        assert credential not in it.box.detail.lines.text


async def test_stacked_where_it_is_narrow_with_the_same_words(run: Machine) -> None:
    async with ui(size=(60, 20)) as it:
        await it.press("j", "j")
        text = await show(it, "intercepted")
        assert "│" not in text
        assert "error: failed to list plugins" in text
        assert "→ nothing: error texts leave in debug mode only" in text
        await it.pilot.resize_terminal(140, 40)
        await it.until(lambda: "│" in it.box.detail.lines.text, "two columns")


async def test_only_what_was_intercepted_has_such_a_view_and_the_view_that_was_chosen_comes_back(
    run: Machine,
) -> None:
    async with ui() as it:
        await looked_at(it)
        assert "Intercepted" not in it.text
        await it.press("j")
        await looked_at(it)
        await it.press("right_square_bracket")
        await it.shows("Intercepted")
        assert it.box.detail.view == "intercepted"
        await it.press("k")
        await it.until(lambda: it.box.detail.view == "explained", "a view that it has")
        await it.press("j")
        await it.until(lambda: it.box.detail.view == "intercepted", "the view that was chosen")


async def test_its_fields_are_explained_in_words_and_what_is_unknown_is_loud(
    run: Machine,
) -> None:
    hold(run, event(status="ok", odd="x"))
    async with ui() as it:
        text = await show(it, "explained")
        assert re.search(r"properties.status +ok +none", text)
        it.box.detail.lines.focus()
        for _ in range(12):
            if "Tells whether the command succeeded." in it.box.detail.lines.text:
                break
            await it.press("j")
        await it.shows("properties.status", "Tells whether the command succeeded.")
        assert "!!" not in text
        assert "OTLP" not in text
        label = run.labels()[0]
        tampered = event(status="ok", odd="x")
        run.outbox.replace(label, tampered, dropped=0)
        it.app._show(*it.app._read())
        await it.pilot.pause()
        it.box.detail.again()
        text = await show(it, "explained")
        assert re.search(r"batch\[0\].properties.odd +x +!! unknown", text)


async def test_a_credential_is_shown_nowhere_whole(run: Machine) -> None:
    hold(run, event(status="ok"))
    async with ui(size=(140, 40)) as it:
        for view in ("explained", "intercepted", "raw", "leaks", "changes"):
            text = await show(it, view)
            assert WRITE_KEY.partition(" ")[2] not in text, view
        assert "Authorization: Basic ••••••••" in await show(it, "raw")
        assert "authorization: Basic •••••••• (24 characters)" in await show(it, "intercepted")


async def test_the_leak_check_tells_what_would_be_sent_from_what_was_only_intercepted(
    run: Machine,
) -> None:
    hold(run, event(status="ok", error="see /home/alice/spec.yml"))
    async with ui() as it:
        text = await show(it, "leaks")
        sent, _, only_intercepted = text.partition("In the intercepted request, which stays here")
        assert "In what would be sent (" in sent
        assert "Nothing was that should not be there." in sent
        only_intercepted, _, rest = only_intercepted.partition("Checked for")
        assert "e-mail addresses" in rest
        assert "a path in somebody's home directory" in only_intercepted
        assert "alice" not in only_intercepted


async def test_the_changes_say_what_debug_mode_would_have_left_in(run: Machine) -> None:
    hold(run, event(status="ok"))
    hold(run, event(status="error", error=ERROR_TEXT))
    async with ui() as it:
        text = await show(it, "changes")
        assert "Debug mode would leave 1 error text in it" in text
        assert "batch[0].properties.error" in text
        assert ERROR_TEXT not in text
        await it.press("j")
        await it.until(
            lambda: "Debug mode would change nothing" in it.box.detail.lines.text, "the other one"
        )


async def test_what_nobody_can_read_is_shown_as_it_came(run: Machine) -> None:
    hold(run, b"\x00\x1b]0;title\x07 [/nope]", "/v9/other", **{"content-type": "a/b"})
    async with ui() as it:
        text = await show(it, "intercepted")
        assert "This format is unknown" in text
        assert "[/nope]" in text
        assert "\x1b" not in text
        assert "something that nobody can read here" in await show(it, "explained")
        await it.press("f")
        await it.told("cannot be read here")


@pytest.mark.parametrize(
    "body",
    [
        b'{"batch":[{"event":"x","properties":{"a":NaN}}]}',
        b'{"batch":[{"event":"x","event":"y"}]}',
        b'{"batch":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"batch":[' + b",".join([b'{"event":"\\u001b[2J","a":{"a":1}}'] * 20_000) + b"]}",
        b'{"batch":[{"event":"[/nope]","properties":{"[@click=app.quit]x[/]":"\\u202e"}}]}',
    ],
    ids=["NaN", "duplicates", "deep", "many", "markup"],
)  # fmt: skip
async def test_hostile_bodies_are_shown_and_never_obeyed(run: Machine, body: bytes) -> None:
    hold(run, gzip.compress(body), **{"content-encoding": "gzip"})
    async with ui() as it:
        for view in ("explained", "intercepted", "raw", "leaks", "changes"):
            text = await show(it, view)
            assert text
            assert not {"\x1b", "\u202e"} & set(text), view


# Runs -----------------------------------------------------------------------------------------


@keys("box.same_run")
async def test_one_key_goes_through_all_that_one_run_left(run: Machine) -> None:
    async with ui() as it:
        assert it.operations == ["init", "init_started", "init_completed"]
        assert "n goes to the next one" in await show(it, "run")
        it.box.detail.turn_to("explained")
        seen = []
        for _ in range(4):
            label = await looked_at(it)
            seen.append((label.operation, label.origin))
            await it.press("n")
        assert seen == [
            ("init", "record"),
            ("init_started", "gate"),
            ("init_completed", "gate"),
            ("init", "record"),
        ]


async def test_it_goes_to_where_the_other_one_is_now(run: Machine, collector: Collector) -> None:
    run.allow(collector.url)
    async with ui() as it:
        await it.press("s")
        await it.answer("y")
        await it.until(lambda: run.labels(SENT), "the delivery")
        await it.told("Sent 1.")
        assert it.operations == ["init_started", "init_completed"]
        assert "init  recorded here, sent" in await show(it, "run")
        await it.press("n")
        await it.until(lambda: it.box.envelopes.current_name == it.box.envelopes.names[1])
        await it.press("n")
        await it.until(lambda: it.room == SENT, "the other box")
        await it.until(lambda: it.box.envelopes.current, "a payload")
        assert (await looked_at(it)).operation == "init"


async def test_what_is_of_no_run_leads_nowhere(machine: Machine) -> None:
    async with ui() as it:
        await it.press("n")
        await it.told("No other payload here belongs to this run.")
        assert "same run" not in it.text


async def test_what_was_closed_in_a_run_is_told_with_its_reason_and_its_attempts(
    run: Machine,
) -> None:
    async with ui(size=(140, 40)) as it:
        text = await show(it, "run")
        assert "Blocked in this run, since it cannot be shown" in text
        assert "error reports (Sentry): their address cannot be changed" in text
        assert "(attempts cannot be seen)" in text
        assert "(gRPC): they are intercepted on Linux" in text
        assert "(1 attempt, none got through)" in text
        await it.press("4")
        await it.shows("Blocked in this run", "error reports (Sentry)", "none got")


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (140, 40)])
async def test_a_row_tells_where_it_would_go_to(run: Machine, size: tuple[int, int]) -> None:
    async with ui(size=size) as it:
        lines = [line for line in it.text.split("\n") if re.search(r"\d:\d\d .* ?init", line)]
        # A day stands before the time of what is not of today.
        rows = {next(word for word in line.split() if word[:4] == "init"): line for line in lines}
        assert "no destin" in rows["init"], "ours goes to the endpoint, and there is none"
        assert "analytics" in rows["init_started"], "it goes where it was bound for"


async def test_the_size_is_what_would_be_sent_with_what_was_captured_beside_it(
    run: Machine,
) -> None:
    label = next(each for each in run.labels() if each.operation == "init_completed")
    envelope = run.outbox.open(PENDING, label)
    async with ui(size=(200, 50)) as it:
        await it.shows(f"{len(envelope.payload):,} of {len(envelope.intercepted):,} B")
        it.box.envelopes.sort_by("size")
        sizes = [it.box.envelopes.read_going(name).sent for name in it.box.envelopes.names]
        assert sizes == sorted(sizes, key=lambda size: -(size or 0))


# Fields ---------------------------------------------------------------------------------------


@keys("pending.trim", "fields.choose", "fields.drop", "fields.down", "fields.up")
async def test_chosen_fields_are_dropped_after_a_question_and_come_back(run: Machine) -> None:
    before = run.payloads()[1]
    async with ui() as it:
        await it.press("j", "j", "f")
        await it.until(lambda: isinstance(it.app.screen, Trimming), "the fields")
        await it.shows("Which fields should be removed?", "Exposure", "risk medium")
        assert re.search(r"\[ \] none +type +track", it.text)
        await it.press("x")
        assert isinstance(it.app.screen, Trimming), "nothing is chosen, so nothing is dropped"
        await it.press("space", "j", "down", "k", "up", "j", "enter", "j", "space", "space")
        for line in (r"\[x\] none +type", r"\[x\] low +messageId", r"\[ \] low +anonymousId"):
            assert re.search(line, it.text), line
        await it.shows(" B → ")
        await it.press("x")
        await it.answer()
        assert "Remove 2 fields from this payload?" in it.question
        assert "batch[0].type, batch[0].messageId" in it.question
        await it.press("y")
        await it.told("Removed 2 fields. u undoes it.")
        message = json.loads(run.payloads()[1])["batch"][0]
        assert {"type", "messageId"} & message.keys() == set()
        assert message["event"] == "init_completed"
        text = await show(it, "intercepted")
        assert "removed by you" in text
        await it.press("u")
        await it.until(lambda: run.payloads()[1] == before, "the undo")


@keys("fields.back")
@pytest.mark.parametrize("presses", [["escape"], ["x", "n"], ["x", "enter"], ["x", "escape"]])
async def test_without_a_yes_no_field_is_dropped(run: Machine, presses: list[str]) -> None:
    before = run.payloads()
    async with ui() as it:
        await it.press("f")
        await it.until(lambda: isinstance(it.app.screen, Trimming), "the fields")
        await it.press("space", *presses)
        await it.until(lambda: it.room == "pending")
        assert run.payloads() == before


async def test_a_click_chooses_a_field(run: Machine) -> None:
    async with ui() as it:
        await it.press("j", "f")
        await it.until(lambda: isinstance(it.app.screen, Trimming), "the fields")
        await it.click("#trim-fields", 3, 1)
        await it.until(lambda: re.search(r"\[x\] low +messageId", it.text), "the choice")


@keys("fields.bytes")
async def test_fields_of_a_payload_of_our_own_are_dropped_too(machine: Machine) -> None:
    async with ui() as it:
        await it.press("f")
        await it.until(lambda: isinstance(it.app.screen, Trimming), "the fields")
        await it.until(lambda: re.search(r"\[ \] none +service.name +cloudquery", it.text), "it")
        whole = machine.payloads()[0]
        await it.press("v")
        await it.shows(whole.decode()[:40])
        await it.press("v")
        await it.press("space", "x")
        await it.answer("y")
        await it.told("Removed 1 field.")
        assert b"service.name" not in machine.payloads()[0]
        assert b"service.version" in machine.payloads()[0]


async def test_readonly_drops_no_fields(run: Machine) -> None:
    async with ui(readonly=True) as it:
        await it.press("f")
        assert it.room == "pending"


# Sending --------------------------------------------------------------------------------------


async def test_the_question_names_where_what_was_intercepted_really_goes(run: Machine) -> None:
    run.allow()
    async with ui() as it:
        await it.press("j", "s")
        await it.answer()
        assert "Send 1 payload?" in it.question
        assert "to https://analytics-events.cloudquery.io/v1/batch" in it.question
        await it.press("n", "k", "s")
        await it.told("Nothing is sent: no endpoint is set. 4 sets one.")
        hold(run, b"\x00", "/v9/other")
        it.app._show(*it.app._read())
        await it.pilot.pause()
        await it.press("S")
        await it.answer()
        assert "Send 2 payloads?" in it.question
        assert "1 stays here: no endpoint is set. 4 sets one." in it.question
        assert "1 stays here: its format is unknown." in it.question


async def test_what_is_sent_is_what_was_shown_with_the_whole_key(
    empty: Machine, collector: Collector
) -> None:
    upstream = collector.url.rpartition("/v1/")[0]
    hold(empty, event(status="ok", error=ERROR_TEXT), upstream=upstream)
    empty.allow()
    payload = empty.payloads()[0]
    async with ui() as it:
        await it.press("s")
        await it.answer("y")
        await it.until(lambda: empty.labels(SENT), "the delivery")
        assert collector.bodies == [payload]
        assert ERROR_TEXT.encode() not in payload
        await it.press("2")
        text = await show(it, "intercepted")
        assert ERROR_TEXT in text


async def test_a_yes_for_all_that_is_held_names_nothing_that_nobody_could_read(
    empty: Machine, collector: Collector
) -> None:
    upstream = collector.url.rpartition("/v1/")[0]
    hold(empty, event(status="ok"), upstream=upstream)
    hold(empty, b"\x00", "/v9/other", upstream=upstream)
    empty.choose(endpoint=collector.url)
    async with ui() as it:
        await it.press("t")
        await it.answer("o")
        await it.until(lambda: "2 payloads were already pending" in it.question)
        await it.answer("i")
        await it.told("its format is unknown")
        assert len(empty.labels(SENT)) == 1
        assert len(empty.labels()) == 1
        assert b"\x00" not in collector.bodies


# Line by line ---------------------------------------------------------------------------------


def test_a_plain_session_shows_the_same(run: Machine) -> None:
    identity = run.labels()[1].id
    with terminal("--plain", size=(120, 60), TERM="dumb") as it:
        it.shows("cqtel>")
        it.type(f"show {identity} --intercepted\n".encode())
        it.shows("removed   error = failed to list plugins", "error texts leave in debug mode only")
        it.type(b"quit\n")
        assert it.end() == 0
