"""Whatever goes wrong, the program that records does not notice, and what was lost is counted."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cqtel_tui import Telemetry
from cqtel_tui.outbox.losses import LOSSES
from cqtel_tui.outbox.writing import OUTBOX, PENDING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Machine

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX has it, Windows does not")

RECORDING = """
import sys
from cqtel_tui import Telemetry
telemetry = Telemetry("cloudquery")
with telemetry.operation("fetch") as operation:
    with operation.span("fetch.aws"):
        print("at work")
print(telemetry.lost, operation.held is not None)
"""


def unwritable_home(machine: Machine) -> None:
    (machine.home / ".local").write_text("a file where a folder should be")


def outbox_that_is_a_file(machine: Machine) -> None:
    machine.state.mkdir(parents=True)
    (machine.state / OUTBOX).write_text("")


def pending_that_is_a_file(machine: Machine) -> None:
    (machine.state / OUTBOX).mkdir(parents=True)
    (machine.state / OUTBOX / PENDING).write_text("")


def state_that_leads_nowhere(machine: Machine) -> None:
    machine.state.parent.mkdir(parents=True)
    machine.state.symlink_to(machine.home / "gone" / "further")


@pytest.mark.parametrize(
    "spoil",
    [
        unwritable_home,
        outbox_that_is_a_file,
        pending_that_is_a_file,
        pytest.param(state_that_leads_nowhere, marks=POSIX),
    ],
)
def test_an_outbox_that_cannot_be_written_loses_the_payload_and_nothing_else(
    machine: Machine, spoil: Callable[[Machine], None]
) -> None:
    spoil(machine)
    done = machine.run(RECORDING)
    assert (done.stdout, done.stderr) == ("at work\n1 False\n", "")


@POSIX
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_home_that_may_not_be_written_loses_the_payload_and_nothing_else(
    machine: Machine,
) -> None:
    machine.home.chmod(0o500)
    done = machine.run(RECORDING)
    machine.home.chmod(0o700)
    assert (done.stdout, done.stderr) == ("at work\n1 False\n", "")


@POSIX
@pytest.mark.parametrize("limit", [0, 100])
def test_a_full_disk_loses_the_payload_and_leaves_nothing_half_written(
    machine: Machine, limit: int
) -> None:
    done = machine.run(
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
        + RECORDING
    )
    assert (done.stdout, done.stderr) == ("at work\n1 False\n", "")
    assert list((machine.outbox.folder / PENDING).iterdir()) == []
    assert machine.outbox.losses() == 1


def test_a_loss_is_counted_where_it_can_be_written(machine: Machine) -> None:
    pending_that_is_a_file(machine)
    machine.run(RECORDING)
    machine.run(RECORDING)
    lines = (machine.outbox.folder / LOSSES).read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["error Not a directory"] * 2


@POSIX
def test_a_current_directory_that_is_gone_means_no(machine: Machine) -> None:
    done = machine.run(
        "import os; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n" + RECORDING
    )
    assert (done.stdout, done.stderr) == ("at work\n0 False\n", "")
    assert not machine.state.exists()


@POSIX
def test_a_directory_that_goes_while_it_records_loses_nothing_of_the_program(
    machine: Machine,
) -> None:
    machine.choose("on")
    done = machine.run(
        "import os; os.mkdir('gone'); os.chdir('gone')\n"
        + RECORDING.replace('print("at work")', 'print("at work"); os.rmdir("../gone")')
    )
    assert done.stdout.startswith("at work\n")
    assert done.stderr == ""


def test_a_home_that_cannot_be_is_no_error_of_the_program(machine: Machine) -> None:
    done = machine.run(RECORDING, HOME="/dev/null/home")
    assert done.stdout.startswith("at work\n")
    assert done.stderr == ""


@pytest.mark.parametrize("choices", ["{", "[1, 2]", "\x00", '"text"', "{}" * 200_000])
def test_choices_that_cannot_be_read_mean_no(machine: Machine, choices: str) -> None:
    machine.choose("on")
    (machine.config / "choices.json").write_text(choices)
    done = machine.run(RECORDING)
    assert (done.stdout, done.stderr) == ("at work\n0 False\n", "")


@POSIX
def test_a_bad_spot_in_the_disk_reads_as_a_no(machine: Machine) -> None:
    machine.choose("on")
    (machine.config / "choices.json").unlink()
    os.mkfifo(machine.config / "choices.json", 0o600)
    done = machine.run(RECORDING)
    assert (done.stdout, done.stderr) == ("at work\n0 False\n", "")


class Hostile(str):
    """A text that lies about itself, or raises, wherever it is asked."""

    __slots__ = ()

    def __len__(self) -> int:
        return 1

    def strip(self, _: str | None = None) -> str:
        return ""

    def __getitem__(self, _: Any) -> str:
        return "a"

    def __format__(self, _: str) -> str:
        return '"},{"name":"/etc/passwd'

    def __str__(self) -> str:
        raise ZeroDivisionError

    def __eq__(self, _: object) -> bool:
        raise ZeroDivisionError

    def __hash__(self) -> int:
        raise ZeroDivisionError


class WordlessError(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise ZeroDivisionError

    def __repr__(self) -> str:
        raise ZeroDivisionError

    def __eq__(self, _: object) -> bool:
        raise ZeroDivisionError

    __hash__ = None  # type: ignore[assignment]


def test_a_text_that_lies_about_itself_is_taken_for_what_it_is(machine: Machine) -> None:
    lie = Hostile("/home/ada, and more")
    telemetry = Telemetry(lie, version=lie, build_date=lie)
    with telemetry.operation(lie) as operation, operation.span(lie) as span:
        span.set(lie, lie)
        span.set("error.type", lie)
    payload = machine.payload()
    assert payload.resource == {"cloudquery.ci": False}
    assert {each["name"] for each in payload.spans} == {"unnamed"}
    assert b"ada" not in payload.data
    assert b"passwd" not in payload.data


@pytest.mark.parametrize("debug", [False, True])
def test_an_error_that_cannot_say_what_it_is_passes_through(
    machine: Machine, *, debug: bool
) -> None:
    telemetry = Telemetry("cloudquery", debug_telemetry=debug)
    with pytest.raises(WordlessError), telemetry.operation("fetch"):
        raise WordlessError
    assert telemetry.lost == 0
    assert machine.payload().attributes("fetch") == {"error.type": "WordlessError"}
    assert machine.envelope().dropped == int(debug)


def raising(*_: object) -> Any:
    raise ZeroDivisionError


class Meta(type):
    """A class of classes that raises, whatever it is asked for."""

    __name__ = property(raising)
    __module__ = property(raising)
    __instancecheck__ = __eq__ = raising
    __hash__ = type.__hash__


class OddError(Exception, metaclass=Meta):
    """An error that raises, whatever it is asked for."""

    __class__ = property(raising)
    __name__ = property(raising)
    code = property(raising)
    args = property(raising)
    __str__ = __repr__ = __bool__ = __getattr__ = __eq__ = raising
    __hash__ = None  # type: ignore[assignment]


class OddExit(SystemExit):
    """An exit whose code cannot be asked for."""

    __class__ = property(raising)
    code = property(raising)


class Number(int):
    """A number that raises, whatever it is asked for."""

    __and__ = __bool__ = __index__ = __int__ = __eq__ = raising
    __class__ = property(raising)
    __hash__ = None  # type: ignore[assignment]


class Thing:
    """Something that raises, whatever it is asked for."""

    __class__ = property(raising)
    __bool__ = __str__ = __repr__ = __index__ = __int__ = __iter__ = __len__ = __eq__ = raising
    __getattr__ = __format__ = raising
    __hash__ = None  # type: ignore[assignment]


class TextError(Exception):
    """An error whose text is something else."""

    def __init__(self, text: Any) -> None:
        super().__init__()
        self.text = text

    def __str__(self) -> Any:
        if issubclass(type(self.text), BaseException):
            raise self.text
        return self.text


class Strange(BaseException):
    """Neither an exception nor an exit."""


def raised_by(telemetry: Telemetry, error: BaseException) -> BaseException:
    """Let an error leave an operation and its span; return what leaves it."""
    try:
        with telemetry.operation("fetch") as operation, operation.span("fetch.aws"):
            raise error
    except BaseException as left:  # noqa: BLE001  # it is the one that was raised, or a fault
        return left


ODD_ERRORS: list[Callable[[], BaseException]] = [
    OddError,
    lambda: OddExit(3),
    lambda: SystemExit(Thing()),
    lambda: SystemExit(Number(3)),
    lambda: SystemExit(-1),
    lambda: SystemExit(1 << 100),
    lambda: SystemExit(1.5),
    lambda: TextError(Thing()),
    lambda: TextError(None),
    lambda: TextError(b"bytes"),
    lambda: TextError(Hostile("text")),
    lambda: TextError("\ud800" * 3000),
    lambda: TextError(RecursionError()),
    lambda: TextError(SystemExit(4)),
    lambda: TextError(GeneratorExit()),
    lambda: TextError(Strange()),
    Strange,
    GeneratorExit,
    lambda: BaseExceptionGroup("group", [Strange()]),
]


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("which", range(len(ODD_ERRORS)))
def test_an_odd_error_leaves_as_it_is_and_the_operation_is_recorded(
    machine: Machine, which: int, *, debug: bool
) -> None:
    telemetry = Telemetry("cloudquery", debug_telemetry=debug)
    error = ODD_ERRORS[which]()
    left = raised_by(telemetry, error)
    assert (id(left), telemetry.lost) == (id(error), 0)
    said = machine.payload().attributes("fetch")
    if issubclass(type(error), SystemExit):
        assert set(said) == {"process.exit.code"}
    else:
        assert said["error.type"] == type.__dict__["__name__"].__get__(type(error))
    assert machine.outbox.labels(PENDING)[0].outcome == "failed"


def test_the_code_of_an_odd_exit_is_pythons_own(machine: Machine) -> None:
    left = raised_by(Telemetry("cloudquery"), OddExit(3))
    assert type(left) is OddExit
    assert machine.payload().attributes("fetch") == {"process.exit.code": 3}


@pytest.mark.parametrize("kind", ["thing", "number"])
def test_a_thing_that_raises_wherever_it_is_asked_is_left_out(machine: Machine, kind: str) -> None:
    odd: Any = Thing() if kind == "thing" else Number(3)
    telemetry = Telemetry(odd, version=odd, build_date=odd)
    with telemetry.operation(odd) as operation, operation.span(odd) as span:
        span.set(odd, odd)
        span.set("error.type", odd)
        span.set("process.exit.code", odd)
        span.exit(odd)
        operation.fail(odd)
        operation.set("process.exit.code", odd)
        assert operation.failed
    assert telemetry.lost == 0
    assert len(machine.envelopes()) == 1


def test_an_option_that_cannot_say_whether_it_was_given_means_the_more_private_answer(
    machine: Machine,
) -> None:
    odd: Any = Thing()
    assert Telemetry("cloudquery", no_telemetry=odd).options == ["--no-telemetry"]
    assert Telemetry("cloudquery", debug_telemetry=odd).options == []
    assert Telemetry("cloudquery", inspect_telemetry=odd).options == ["--inspect-telemetry"]


@pytest.mark.parametrize("odd", [None, 0, 1.5, b"bytes", [], {}, object(), Exception, "\ud800"])
def test_odd_arguments_are_no_error_of_the_program(machine: Machine, odd: Any) -> None:
    telemetry = Telemetry(odd, version=odd, build_date=odd)
    with telemetry.operation(odd) as operation, operation.span(odd) as span:
        span.set(odd, odd)
        span.exit(odd)
        operation.fail(odd)
    assert telemetry.lost == 0
    assert len(machine.envelopes()) == 1


def test_spans_left_open_closed_twice_or_entered_twice_are_no_error(
    machine: Machine, telemetry: Telemetry
) -> None:
    with telemetry.operation("fetch") as operation:
        operation.span("left open").__enter__()
        span = operation.span("twice")
        for _ in range(2):
            with span:
                pass
        span.__exit__(None, None, None)
    with operation.span("after the end"):
        pass
    with telemetry.operation("never entered").span("alone"):
        pass
    assert telemetry.lost == 0
    assert len(machine.envelopes()) == 1


def test_a_no_that_came_while_a_yes_was_at_work_is_heard(
    machine: Machine, telemetry: Telemetry
) -> None:
    machine.choose("on")
    with telemetry.operation("fetch"):
        machine.choose("off")
    assert telemetry.held is None
    machine.choose("on")
    with telemetry.operation("fetch"):
        machine.folder.mkdir(exist_ok=True)
        (machine.folder / "telemetry.json").write_text('{"telemetry": "off"}')
    assert telemetry.held is None
    assert machine.envelopes() == []


def test_an_interrupt_while_recording_reaches_the_program(
    machine: Machine, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), telemetry.operation("fetch"):
        monkeypatch.setattr("cqtel_tui.record.ending.hold", interrupted)
    assert machine.envelopes() == []


@POSIX
@pytest.mark.parametrize("closed", ["sys.stdout", "sys.stderr", "sys.stdin"])
def test_closed_streams_are_no_error_of_the_program(machine: Machine, closed: str) -> None:
    machine.run(
        f"""
import os, sys
from cqtel_tui import Telemetry
{closed}.close()
with Telemetry("cloudquery", inspect_telemetry=True).operation("fetch") as operation:
    pass
os._exit(operation.telemetry.lost)
"""
    )
    assert machine.inspection.exists()


def test_a_program_without_streams_inspects_all_the_same(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stream in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, stream, None)
    telemetry = Telemetry("cloudquery", inspect_telemetry=True)
    with telemetry.operation("fetch"):
        pass
    assert telemetry.lost == 0
    assert machine.inspection.exists()


CANARY = "canary7f3a"


def test_nothing_of_the_machine_the_command_or_the_error_is_in_what_is_held(
    machine: Machine, tmp_path: Path
) -> None:
    project = tmp_path / f"{CANARY}-project"
    project.mkdir()
    (project / f"{CANARY}.yml").write_text(CANARY)
    (project / ".cq" / "plugins" / "source" / CANARY / "x" / "y").mkdir(parents=True)
    (project / ".cq" / f"{CANARY}.txt").write_text("")
    machine.choose("on")
    machine.project = project
    machine.run(
        """
import getpass, os, socket, sys
from cqtel_tui import Telemetry
from pathlib import Path
with Telemetry("cloudquery", version="0.20.0").operation("fetch") as operation:
    for path in Path().iterdir():
        with operation.span(str(path.absolute())):
            pass
    with operation.span("fetch.aws") as span:
        span.set("user.name", getpass.getuser())
        span.set("host.name", socket.gethostname())
        span.set("error.type", " ".join(sys.argv))
    raise ValueError("canary7f3a: no such host", sys.argv, os.environ["SECRET"])
""",
        f"--password={CANARY}",
        CANARY,
        exits=1,
        SECRET=CANARY,
        USER=CANARY,
        LOGNAME=CANARY,
        HOSTNAME=CANARY,
    )
    import getpass
    import socket

    held = sorted((machine.outbox.folder / PENDING).iterdir())
    assert len(held) == 1
    whole = held[0].name.encode() + held[0].read_bytes()
    assert machine.envelope().dropped == 2 + 3 + 1
    for secret in (CANARY, str(project), str(machine.home), socket.gethostname()):
        assert secret.encode() not in whole
    for word in (getpass.getuser(), sys.platform):
        assert f'"{word}"'.encode() not in whole
