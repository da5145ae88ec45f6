from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from cqtel_tui import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Machine

EXAMPLE = """
from cqtel_tui import Telemetry

with Telemetry("cloudquery", version="0.20.0").operation("fetch") as operation:
    with operation.span("fetch.aws"):
        print("fetching")
"""


def test_the_example_of_the_documentation_holds_one_payload(machine: Machine) -> None:
    done = machine.run(EXAMPLE)
    assert (done.stdout, done.stderr) == ("fetching\n", "")
    payload = machine.payload()
    assert payload.tree() == {("fetch", ""), ("fetch.aws", "fetch")}
    assert payload.resource == {
        "service.name": "cloudquery",
        "service.version": "0.20.0",
        "cloudquery.ci": False,
    }


def test_the_label_says_what_a_list_shows(machine: Machine, telemetry: Telemetry) -> None:
    with telemetry.operation("fetch") as operation:
        pass
    (label,) = machine.outbox.labels("pending")
    assert operation.held == label.file_name
    assert (label.app, label.version, label.operation) == ("cloudquery", "0.20.0", "fetch")
    assert (label.origin, label.outcome, label.attempt) == ("record", "ok", 0)
    assert label.size == len(machine.payload().data)


def test_times_come_from_the_wall_clock_and_durations_from_the_stopwatch(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats = iter([5_000, 6_000, 8_000, 5_002_000_005_000])
    monkeypatch.setattr(Telemetry, "clock", staticmethod(lambda: 1_700_000_000_000_000_000))
    monkeypatch.setattr(Telemetry, "stopwatch", staticmethod(lambda: next(beats)))
    with Telemetry("cloudquery").operation("fetch") as operation, operation.span("part"):
        pass
    payload = machine.payload()
    assert payload.span("fetch")["startTimeUnixNano"] == "1700000000000000000"
    assert payload.span("part")["startTimeUnixNano"] == "1700000000000001000"
    assert payload.span("part")["endTimeUnixNano"] == "1700000000000003000"
    assert payload.span("fetch")["endTimeUnixNano"] == "1700005002000000000"
    (label,) = machine.outbox.labels("pending")
    assert label.duration == 5_002_000


def test_ids_come_from_the_entropy_that_is_given(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Telemetry, "entropy", staticmethod(lambda size: bytes(range(1, size + 1))))
    with Telemetry("cloudquery").operation("fetch"):
        pass
    assert machine.envelope().id == "0102030405060708"
    span = machine.payload().span("fetch")
    assert span["traceId"] == "0102030405060708090a0b0c0d0e0f10"
    assert span["spanId"] == "1112131415161718"


def test_spans_nest_as_the_blocks_do(machine: Machine, telemetry: Telemetry) -> None:
    with telemetry.operation("sync") as operation:
        with operation.span("outer") as outer:
            with operation.span("inner"), operation.span("innermost"):
                pass
            with outer.span("second"):
                pass
        with operation.span("after"):
            pass
    assert machine.payload().tree() == {
        ("sync", ""),
        ("outer", "sync"),
        ("inner", "outer"),
        ("innermost", "inner"),
        ("second", "outer"),
        ("after", "sync"),
    }


def test_an_operation_within_another_is_one_of_its_own(
    machine: Machine, telemetry: Telemetry
) -> None:
    with telemetry.operation("outer") as outer:
        with telemetry.operation("inner") as inner, inner.span("deep"):
            pass
        with outer.span("shallow"):
            pass
    trees = [machine.payload_of(envelope).tree() for envelope in machine.envelopes()]
    assert trees == [{("inner", ""), ("deep", "inner")}, {("outer", ""), ("shallow", "outer")}]


def test_threads_do_not_get_into_each_others_spans(machine: Machine, telemetry: Telemetry) -> None:
    both_inside = threading.Barrier(2, timeout=30)
    with telemetry.operation("sync") as operation:

        def work(name: str) -> None:
            with operation.span(name):
                both_inside.wait()
                with operation.span(f"{name}.part"):
                    both_inside.wait()

        threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert machine.payload().tree() == {
        ("sync", ""),
        ("a", "sync"),
        ("a.part", "a"),
        ("b", "sync"),
        ("b.part", "b"),
    }


def test_a_span_that_a_thread_still_runs_ends_with_its_operation(
    machine: Machine, telemetry: Telemetry
) -> None:
    begun, finish = threading.Event(), threading.Event()
    with telemetry.operation("sync") as operation:

        def work() -> None:
            with operation.span("late"):
                begun.set()
                finish.wait(30)

        thread = threading.Thread(target=work)
        thread.start()
        begun.wait(30)
    finish.set()
    thread.join()
    payload = machine.payload()
    assert payload.span("late")["endTimeUnixNano"] == payload.span("sync")["endTimeUnixNano"]


def test_tasks_do_not_get_into_each_others_spans(machine: Machine, telemetry: Telemetry) -> None:
    async def main() -> None:
        both_inside = asyncio.Barrier(2)

        async def work(name: str) -> None:
            with operation.span(name):
                await both_inside.wait()
                with operation.span(f"{name}.part"):
                    await both_inside.wait()

        await asyncio.gather(work("a"), work("b"))

    with telemetry.operation("sync") as operation:
        asyncio.run(main())
    assert machine.payload().tree() == {
        ("sync", ""),
        ("a", "sync"),
        ("a.part", "a"),
        ("b", "sync"),
        ("b.part", "b"),
    }


def test_tasks_are_told_apart_though_asyncio_was_imported_within_the_operation(
    machine: Machine,
) -> None:
    machine.run("""
import sys
from cqtel_tui import Telemetry
with Telemetry("cloudquery").operation("sync") as operation:
    with operation.span("outer"):
        assert "_contextvars" not in sys.modules
        import asyncio

        async def work(name, first, second):
            with operation.span(name):
                first.set()
                await second.wait()

        async def main():
            a, b = asyncio.Event(), asyncio.Event()
            await asyncio.gather(work("a", a, b), work("b", b, a))

        asyncio.run(main())
    with operation.span("after"):
        pass
""")
    assert machine.payload().tree() == {
        ("sync", ""),
        ("outer", "sync"),
        ("a", "outer"),
        ("b", "outer"),
        ("after", "sync"),
    }


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_an_operation_that_forked_is_one_payload_not_two(machine: Machine) -> None:
    done = machine.run("""
import os
from cqtel_tui import Telemetry
with Telemetry("cloudquery").operation("sync") as operation:
    child = os.fork()
    with operation.span("child" if child == 0 else "parent"):
        pass
if child:
    assert os.waitpid(child, 0)[1] == 0
print(operation.held is not None)
""")
    assert sorted(done.stdout.split()) == ["False", "True"]
    assert machine.payload().tree() == {("sync", ""), ("parent", "sync")}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_an_operation_that_a_forked_child_begins_is_its_own(machine: Machine) -> None:
    machine.run("""
import os
from cqtel_tui import Telemetry
telemetry = Telemetry("cloudquery")
with telemetry.operation("parent"):
    child = os.fork()
    if child == 0:
        with telemetry.operation("child"):
            pass
        os._exit(0)
    os.waitpid(child, 0)
""")
    assert {envelope_label.operation for envelope_label in machine.outbox.labels("pending")} == {
        "parent",
        "child",
    }


@pytest.mark.parametrize(
    ("statement", "status", "noted", "code"),
    [
        ("pass", 0, None, 1),
        ("sys.exit()", 0, 0, 1),
        ("sys.exit(0)", 0, 0, 1),
        ("sys.exit(None)", 0, 0, 1),
        ("sys.exit(3)", 3, 3, 2),
        ("sys.exit(True)", 1, 1, 2),
        ("sys.exit(-1)", 255, 255, 2),
        ("sys.exit(256)", 0, 0, 1),
        ("sys.exit('no such table: customers')", 1, 1, 2),
    ],
)
def test_what_a_program_exits_with_is_noted_and_left_as_it_is(
    machine: Machine, statement: str, status: int, noted: int | None, code: int
) -> None:
    machine.run(
        f"""
import sys
from cqtel_tui import Telemetry
with Telemetry("cloudquery").operation("fetch"):
    {statement}
""",
        exits=status,
    )
    payload = machine.payload()
    assert payload.attributes("fetch").get("process.exit.code") == noted
    assert payload.span("fetch")["status"] == {"code": code}
    assert b"customers" not in payload.data


def test_an_exception_passes_through_unchanged_and_only_its_class_is_kept(
    machine: Machine, telemetry: Telemetry
) -> None:
    error = ValueError("password=hunter2")
    with (
        pytest.raises(ValueError, match="hunter2") as raised,
        telemetry.operation("fetch") as operation,
        operation.span("fetch.aws"),
    ):
        raise error
    assert raised.value is error
    assert error.__context__ is None
    assert error.__cause__ is None
    payload = machine.payload()
    for name in ("fetch", "fetch.aws"):
        assert payload.span(name)["status"] == {"code": 2}
        assert payload.attributes(name) == {"error.type": "ValueError"}
    assert b"hunter2" not in payload.data
    (label,) = machine.outbox.labels("pending")
    assert label.outcome == "failed"


def test_an_exception_that_the_program_catches_marks_the_part_and_not_the_whole(
    machine: Machine, telemetry: Telemetry
) -> None:
    with telemetry.operation("fetch") as operation:
        try:
            with operation.span("fetch.aws"):
                raise LookupError
        except LookupError:
            pass
    payload = machine.payload()
    assert payload.span("fetch.aws")["status"] == {"code": 2}
    assert payload.span("fetch")["status"] == {"code": 1}


def test_an_error_that_was_dealt_with_can_be_noted_by_hand(
    machine: Machine, telemetry: Telemetry
) -> None:
    with telemetry.operation("fetch") as operation:
        operation.fail(TimeoutError("at 10.1.2.3"))
        operation.exit(7)
    assert machine.payload().attributes("fetch") == {
        "error.type": "TimeoutError",
        "process.exit.code": 7,
    }
    assert machine.payload().span("fetch")["status"] == {"code": 2}


def test_an_error_text_is_kept_in_debug_mode_alone(machine: Machine) -> None:
    def fail(telemetry: Telemetry) -> dict[str, object]:
        machine.outbox.clear("pending")
        with pytest.raises(OSError, match="disk"), telemetry.operation("fetch"):
            raise OSError("the disk is full")
        assert telemetry.lost == 0
        return machine.payload().attributes("fetch")

    assert fail(Telemetry("cloudquery")) == {"error.type": "OSError"}
    told = {"error.type": "OSError", "exception.message": "the disk is full"}
    assert fail(Telemetry("cloudquery", debug_telemetry=True)) == told
    machine.choose(None, debug=True)
    assert fail(Telemetry("cloudquery")) == told
    machine.choose(None, debug=False)
    assert fail(Telemetry("cloudquery", debug_telemetry=True)) == {"error.type": "OSError"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
def test_what_is_no_error_of_the_program_passes_through_as_well(
    machine: Machine, telemetry: Telemetry, error: Callable[[], BaseException]
) -> None:
    with pytest.raises(BaseException) as raised, telemetry.operation("fetch"):  # noqa: PT011
        raise error()
    assert type(raised.value) is error
    assert machine.payload().attributes("fetch") == {"error.type": type(raised.value).__name__}


def test_one_client_records_one_operation_after_the_other(
    machine: Machine, telemetry: Telemetry
) -> None:
    for name in ("fetch", "policy", "drift"):
        with telemetry.operation(name):
            pass
    operations = [label.operation for label in machine.outbox.labels("pending")]
    assert operations == ["fetch", "policy", "drift"]
    assert telemetry.lost == 0
