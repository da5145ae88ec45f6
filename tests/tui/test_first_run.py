"""Asked once a day at most, three times in all, and only where somebody is there to answer."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cqtel_tui import standard_streams
from cqtel_tui.actions.destinations import Outlook
from cqtel_tui.actions.question import Answer, Question, words
from cqtel_tui.catalogue import CATALOGUE_VERSION
from cqtel_tui.consent.decision import CI_VARIABLES
from cqtel_tui.consent.saving import decide_telemetry
from cqtel_tui.outbox.store import SENT
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.tui import first_run, terminal
from cqtel_tui.tui.first_run import ASKED, ask_if_due, is_due, latest, note_asked, somebody_is_there

if TYPE_CHECKING:
    from ..deliver.collectors import Collector
    from .driving import Machine

DAY = 24 * 3600
NOW = 1_800_000_000.0


class Stream(io.StringIO):
    """A stream that may be a terminal."""

    def __init__(self, text: str = "", *, is_terminal: bool = True) -> None:
        super().__init__(text)
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


class Streams:
    """What `sys` is to the module; pytest has its own mind about the real one."""

    platform = sys.platform

    def __init__(self) -> None:
        self.stdin: Stream | None = Stream()
        self.stderr: Stream | None = Stream()
        self.__stdin__ = self.__stderr__ = None

    @property
    def said(self) -> str:
        assert self.stderr is not None
        return self.stderr.getvalue()


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Streams:
    """Let stdin and stderr be terminals; return them."""
    given = Streams()
    monkeypatch.setattr(first_run, "sys", given)
    monkeypatch.setattr(terminal, "sys", given)
    monkeypatch.setattr(standard_streams, "sys", given)
    monkeypatch.setattr(first_run, "is_in_foreground", lambda: True)
    return given


def asked(machine: Machine) -> list[int]:
    path = Path(machine.places.state, ASKED)
    return list(json.loads(path.read_text())["cloudquery"]) if path.exists() else []


@pytest.mark.usefixtures("streams")
def test_somebody_is_there_at_a_terminal() -> None:
    assert somebody_is_there({"TERM": "xterm"})
    assert not somebody_is_there({})
    assert not somebody_is_there({"TERM": ""})
    assert not somebody_is_there({"TERM": "dumb"})


@pytest.mark.usefixtures("streams")
@pytest.mark.parametrize("name", CI_VARIABLES)
def test_nobody_is_asked_in_ci(name: str) -> None:
    for value in ("1", "true", "yes", "whatever"):
        assert not somebody_is_there({"TERM": "xterm", name: value})
    for value in ("", "0", "false", "No", "OFF"):
        assert somebody_is_there({"TERM": "xterm", name: value})


@pytest.mark.parametrize("name", ["stdin", "stderr"])
@pytest.mark.parametrize("stream", ["closed", "piped", "none"])
def test_nobody_is_asked_without_a_terminal(streams: Streams, name: str, stream: str) -> None:
    other = Stream(is_terminal=stream == "closed")
    if stream == "closed":
        other.close()
    setattr(streams, name, None if stream == "none" else other)
    assert not somebody_is_there({"TERM": "xterm"})


def test_it_is_asked_once_a_day_and_three_times_in_all(empty: Machine) -> None:
    places = empty.places
    for number in range(3):
        now = NOW + number * DAY
        assert is_due(places, now, "cloudquery")
        note_asked(places, now, "cloudquery")
        assert not is_due(places, now, "cloudquery")
        assert not is_due(places, now + DAY - 1, "cloudquery")
        assert not is_due(places, now - 3600, "cloudquery"), "a clock put back asks no sooner"
    assert not is_due(places, NOW + 100 * DAY, "cloudquery")
    assert len(asked(empty)) == 3


@pytest.mark.parametrize("record", [b"", b"{", b'{"a": 1}', b"[1.5]", b'["x"]', b"[true]", b"\xff"])
def test_a_record_that_cannot_be_read_counts_as_often_enough(empty: Machine, record: bytes) -> None:
    note_asked(empty.places, NOW, "cloudquery")
    Path(empty.places.state, ASKED).write_bytes(record)
    assert not is_due(empty.places, NOW + 10 * DAY, "cloudquery")


def test_who_has_decided_is_not_asked(empty: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_due(empty.places, NOW, "cloudquery")
    for change in (decide_telemetry("on"), decide_telemetry("off")):
        empty.choose(**change)
        assert not is_due(empty.places, NOW, "cloudquery")
    empty.choose(**decide_telemetry(None), debug=True)
    assert is_due(empty.places, NOW, "cloudquery"), "debug mode is another question"
    for name in ("CQ_NO_TELEMETRY", "DO_NOT_TRACK", "CQ_INSPECT_TELEMETRY"):
        monkeypatch.setenv(name, "1")
        assert not is_due(empty.places, NOW, "cloudquery")
        monkeypatch.delenv(name)
    empty.choices.write_text("{")
    assert not is_due(empty.places, NOW, "cloudquery"), "a file that cannot be read is no silence"


def test_it_is_noted_before_it_is_asked(
    machine: Machine, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> Answer:
        assert len(asked(machine)) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(first_run, "put", crash)
    ask_if_due(machine.places, machine.labels()[0].file_name)
    assert len(asked(machine)) == 1
    ask_if_due(machine.places, machine.labels()[0].file_name)
    assert len(asked(machine)) == 1


@pytest.mark.parametrize("name", [None, "", "nonsense", "no,such.envelope"])
def test_without_a_payload_there_is_nothing_to_ask(
    empty: Machine, streams: Streams, name: str | None
) -> None:
    ask_if_due(empty.places, name)
    assert asked(empty) == []
    assert streams.said == ""


def test_a_payload_that_is_torn_or_gone_is_told_of_and_raises_nothing(
    machine: Machine, streams: Streams
) -> None:
    label = machine.labels()[0]
    machine.tear(label)
    ask_if_due(machine.places, label.file_name)
    assert "incomplete" in streams.said
    machine.outbox.drop(PENDING, label)
    ask_if_due(machine.places, label.file_name)
    assert asked(machine) == []


@pytest.mark.usefixtures("streams")
def test_where_nothing_can_be_noted_nothing_is_asked(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(machine.places.state, ASKED).mkdir()
    monkeypatch.setattr(first_run, "put", lambda *_: pytest.fail("it was asked"))
    ask_if_due(machine.places, machine.labels()[0].file_name)


def plainly(machine: Machine, streams: Streams, typed: str) -> tuple[Answer, str]:
    """Ask line by line; return the answer, and what was said."""
    streams.stdin = Stream(typed)
    question = latest(machine.places)
    assert question is not None
    return first_run.put(machine.places, question, plain=True), streams.said


@pytest.mark.parametrize(
    ("typed", "telemetry", "includes"),
    [
        ("n\n", "off", False), ("a\n", "on", False), ("s\n", "on", True), ("l\n", None, False),
        ("\n", None, False), ("", None, False), ("y\n", None, False), ("yes\n", None, False),
        ("nonsense\n", None, False), (" A \n", "on", False), ("\x1b\n", None, False),
    ],
)  # fmt: skip
def test_the_plain_prompt_takes_one_letter_and_all_else_for_no_answer(
    machine: Machine,
    streams: Streams,
    typed: str,
    telemetry: str | None,
    includes: bool,  # a column of the table
) -> None:
    _, said = plainly(machine, streams, typed)
    assert machine.chosen.telemetry == telemetry
    assert machine.choices.exists() is (telemetry is not None)
    if telemetry == "on":
        assert machine.chosen.catalogue == CATALOGUE_VERSION
        assert len(machine.included) == (5 if includes else 0)
        assert machine.chosen.consented < time.time_ns()
    assert len(machine.labels()) == 5
    assert "service.name = cloudquery" in said
    assert "5 payloads, and what is recorded from now on, have no destination: no endpoint" in said
    assert "What the program itself reports goes to https://" in said
    outcome = {
        "off": "telemetry of cloudquery is off",
        "on": "telemetry of cloudquery is on",
        None: "nothing was decided or sent",
    }
    assert outcome[telemetry] in said


def test_once_sends_what_was_asked_about_and_decides_nothing(
    machine: Machine, streams: Streams, collector: Collector
) -> None:
    machine.choose(endpoint=collector.url)
    payloads = machine.payloads()
    before = machine.choices.read_bytes()
    answer, said = plainly(machine, streams, "o\n")
    assert answer is Answer.ONCE
    assert sorted(collector.bodies) == sorted(payloads)
    assert len(machine.labels(SENT)) == 5
    assert "nothing is decided for later" in said
    assert machine.choices.read_bytes() == before
    assert machine.chosen.telemetry is None
    assert not machine.cookie.exists()


def test_once_without_a_destination_sends_nothing_and_says_why(
    machine: Machine, streams: Streams
) -> None:
    answer, said = plainly(machine, streams, "o\n")
    assert answer is Answer.ONCE
    assert "refused, no endpoint is set. To set one: cq-telemetry endpoint URL" in said
    assert len(machine.labels()) == 5
    assert not machine.choices.exists()


def test_ctrl_c_at_the_plain_prompt_decides_nothing(
    machine: Machine, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(Stream, "readline", interrupt)
    answer, said = plainly(machine, streams, "")
    assert answer is Answer.LATER
    assert "nothing was decided or sent" in said
    assert not machine.choices.exists()


def test_the_plain_prompt_shows_a_bounded_part_of_a_large_payload(
    empty: Machine, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty.hold(json.dumps({"resourceSpans": [{"x": list(range(5_000))}]}).encode())
    _, said = plainly(empty, streams, "")
    assert said.count("\n") < 100
    assert "more" in said


def test_a_payload_that_cannot_be_read_says_so(
    empty: Machine, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty.hold(b"\x1b]0;owned\x07")
    _, said = plainly(empty, streams, "")
    assert "Cannot read this as JSON" in said
    assert "\x1b" not in said


def test_the_newest_payload_that_is_whole_is_asked_about(machine: Machine) -> None:
    machine.tear(machine.labels()[0])
    (machine.outbox.folder / PENDING / "zzz.envelope").write_bytes(b"")
    question = latest(machine.places)
    assert question is not None
    assert question.envelope.id == machine.labels()[1].id


def test_the_answers_have_one_letter_each_and_say_how_many_are_pending(machine: Machine) -> None:
    question = latest(machine.places)
    assert question is not None
    assert words(question)[Answer.ALLOW_AND_SEND] == "always, and these 5"
    one = Question(question.envelope, Outlook(pending=("0123456789abcdef",)))
    assert words(one)[Answer.ALLOW_AND_SEND] == "always, and send it"
    assert words(one)[Answer.ONCE] == "once: send it now"
    assert len({answer.value for answer in Answer}) == len(Answer)


# Where nobody is, and where all is wrong ---------------------------------------------------------


def test_a_job_in_the_background_is_not_asked(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert somebody_is_there({"TERM": "xterm"})
    monkeypatch.setattr(first_run, "is_in_foreground", lambda: False)
    assert not somebody_is_there({"TERM": "xterm"})


def test_a_thread_is_not_asked(streams: Streams) -> None:
    there: list[bool] = []
    thread = threading.Thread(target=lambda: there.append(somebody_is_there({"TERM": "xterm"})))
    thread.start()
    thread.join()
    assert there == [False]


@pytest.mark.parametrize(
    "raised",
    [SystemExit(3), KeyboardInterrupt(), RecursionError(), MemoryError(), ImportError(), OSError()],
    ids=repr,
)
@pytest.mark.parametrize("where", ["put", "is_due", "_question", "note_asked", "has_terminal"])
def test_whatever_is_wrong_nothing_is_raised(
    machine: Machine,
    streams: Streams,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    raised: BaseException,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(first_run, where, fail)
    ask_if_due(machine.places, machine.labels()[0].file_name)


def test_a_stderr_that_takes_nothing_is_no_mistake_of_the_program(
    machine: Machine, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object, __: str) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(Stream, "write", refuse)
    machine.tear(machine.labels()[0])
    ask_if_due(machine.places, machine.labels()[0].file_name)
    ask_if_due(machine.places, machine.labels()[1].file_name)
    assert not machine.choices.exists()


def test_where_textual_cannot_be_imported_it_is_asked_plainly(
    machine: Machine, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_run, "_must_be_plain", lambda: False)
    monkeypatch.setitem(sys.modules, "cqtel_tui.tui.prompt", None)
    streams.stdin = Stream("n\n")
    ask_if_due(machine.places, machine.labels()[0].file_name)
    assert machine.chosen.telemetry == "off"


def test_a_program_with_a_loop_of_its_own_is_asked_plainly(
    machine: Machine, streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_run, "has_original_streams", lambda: True)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((80, 24)))
    monkeypatch.setattr(Stream, "fileno", lambda _: 2)

    async def within() -> bool:
        return first_run._must_be_plain()

    assert not first_run._must_be_plain()
    assert asyncio.run(within())


@pytest.mark.skipif(sys.platform == "win32", reason="a pty is a Unix thing")
def test_without_an_answer_a_line_is_read_for_so_long_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = os.openpty()
    with open(theirs) as stdin, open(ours, "wb", buffering=0) as keyboard:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", stdin)
        times = iter([0.0, 61.0])
        assert terminal.read_line(60, lambda: next(times)) is None
        keyboard.write(b"n\xff\xe9\n")
        assert terminal.read_line(60) == "n\n"
        keyboard.write(b"\x04")
        assert terminal.read_line(60) is None
