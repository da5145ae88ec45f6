"""Record operations: `Telemetry`, its operations and their spans."""

import os
import sys
import time
from _thread import _local

from .. import preload
from ..consent import UNNAMED
from ..consent.decision import OFF, OPTIONS, ask, concerning
from ..folders import folders
from . import PLAIN, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _contextvars import ContextVar
    from collections.abc import Sequence
    from importlib.resources.abc import Traversable
    from types import TracebackType
    from typing import Self

    from ..consent.decision import Decision
    from ..folders import Folders

    Attributes = dict[str, object]

MAX_SPANS = 512
_WRITER = ("outbox/__init__", "outbox/writing", "record/payload", "record/ending")
"""The modules that end a recorded operation, in the order in which they are imported."""
_SIGNALLED = 128  # a shell reports a child that a signal ended as this plus the signal's number
# Tasks need a context variable, whose module is not free: a program that has tasks (asyncio,
# trio …) has imported it already.
_thread = _local()
_task: "ContextVar[Span | None] | None" = None


class Telemetry:
    """Records the operations of one program.

        with Telemetry("cloudquery", version="0.20.0").operation("fetch") as operation:
            with operation.span("fetch.aws"):
                ...

    Whether anything is recorded is the user's to decide (see `cqtel_tui.consent`): asked when an
    operation begins, and again when it ends.

    Args:
        application: the program's name, such as `cloudquery`.
        version: its version.
        build_date: the day it was built, `YYYY-MM-DD`, with or without a time in UTC.
        no_telemetry: `--no-telemetry` was given.
        debug_telemetry: `--debug-telemetry` was given: error messages are recorded too.
        inspect_telemetry: `--inspect-telemetry` was given: `cq-telemetry.txt` is written instead.
        contract: the program's `telemetry.toml`: a path, or a resource that is a file. It has the
            fields of its own that may be recorded, and where payloads would go.

    Attributes:
        program: the name that choices are made for.
        lost: how many operations could not be recorded, because of an error.
        held: the name of the last envelope that was written; None before the first.
        interrupted: whether an operation ended by Ctrl+C, or by a signal that a shell reported.
    """

    named: "Sequence[str]" = ()
    """Folders that the user has the program use in place of `.cq`."""
    left_open: "tuple[str, ...]" = ()
    clock = staticmethod(time.time_ns)
    stopwatch = staticmethod(time.perf_counter_ns)
    entropy = staticmethod(os.urandom)

    def __init__(  # noqa: PLR0913  # the three options, by name
        self,
        application: str,
        *,
        version: "str | None" = None,
        build_date: "str | None" = None,
        no_telemetry: bool = False,
        debug_telemetry: bool = False,
        inspect_telemetry: bool = False,
        contract: "str | os.PathLike[str] | Traversable | None" = None,
    ) -> None:
        self.application = application
        self.program = name_of(application) or UNNAMED
        self.version = version
        self.build_date = build_date
        self.contract = contract
        flags = (
            _is_given(no_telemetry, otherwise=True),
            _is_given(debug_telemetry, otherwise=False),
            _is_given(inspect_telemetry, otherwise=True),
        )
        self.options = [option for option, is_given in zip(OPTIONS, flags, strict=True) if is_given]
        self.lost = 0
        self.inspected: list[bytes] = []
        self.held: str | None = None
        self.interrupted = False

    def ask(self) -> None:
        """Ask the user for consent to what was recorded last, where somebody is there to answer.

        Asks at most once a day and three times in all, never in CI, and never without a terminal
        on stdin and stderr; nothing is written to stdout. Call it when the program has done its
        work: it waits for the answer.
        """
        if self.held is None or self.interrupted:
            return
        try:
            from ..paths import places
            from ..tui.first_run import ask_if_due

            where = places()
        except Exception:  # noqa: BLE001  # nothing of ours may reach the program
            return
        ask_if_due(where, self.held)

    def operation(self, name: str) -> "Operation":
        """Return the operation `name`, to be entered with `with`."""
        return Operation(self, name)


class Span:
    """A timed part of an operation, to be entered with `with`.

    An exception that leaves it marks it as failed, with the name of its class, and passes through.
    """

    __slots__ = ("attributes", "end", "name", "operation", "outer", "parent", "start")

    def __init__(self, operation: "Operation", name: str) -> None:
        self.operation = operation
        self.name = name
        self.attributes: Attributes | None = None
        self.outer: Span | None = None
        self.parent: Span | None = None
        self.start = 0
        self.end = 0

    def __enter__(self) -> "Self":
        operation = self.operation
        self.outer = outer = _swap(self)
        self.parent = outer if outer is not None and outer.operation is operation else operation
        if len(operation.spans) < MAX_SPANS:
            operation.spans.append(self)
        else:
            operation.unkept += 1
        self.start = operation.telemetry.stopwatch()
        return self

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        trace: "TracebackType | None",
    ) -> None:
        self.end = self.operation.telemetry.stopwatch()
        _swap(self.outer)
        if error is not None:
            self.fail(error)

    def span(self, name: str) -> "Span":
        """Return a part of this part, to be entered with `with`."""
        return Span(self.operation, name)

    def set(self, key: str, value: object) -> None:
        """Note a value; what is neither in the catalogue nor in the contract is left out."""
        if self.attributes is None:
            self.attributes = {}
        self.attributes[key if type(key) is str else UNNAMED] = value

    def fail(self, error: BaseException) -> None:
        """Mark this part as failed by `error`: the name of its class, in debug mode its text."""
        # Of its class and its code only what Python itself knows: `__class__`, `__name__` and
        # `code` may be the program's own, and do anything.
        if issubclass(type(error), SystemExit):
            self.exit(_exit_code_of(error))
        else:
            self.set("error.type", _class_name_of(type(error)))
            # Kept as it is: making text of it runs the program's code, so only where it is wanted.
            self.set("exception.message", error)

    def exit(self, code: object) -> None:
        """Note what the program exits with, as `sys.exit` takes it; all but 0 is a failure."""
        number = 0 if code is None else 1
        # Without what its class overrides: `isinstance` would run the program's own code.
        if issubclass(type(code), int):
            value: int = int.__pos__(code)  # type: ignore[arg-type]
            number = value & 0xFF if value.bit_length() < _LONG_BITS else 0xFF
        self.set("process.exit.code", number)

    @property
    def failed(self) -> bool:
        """Whether it ended in an error, or with an exit code other than 0."""
        attributes = self.attributes
        if attributes is None:
            return False
        code = attributes.get("process.exit.code")
        return "error.type" in attributes or (type(code) in PLAIN and bool(code))


class Operation(Span):
    """One run of one command: the first span, and what becomes one payload when it ends.

    Attributes:
        held: the name of the envelope that it became; None if it became none.
    """

    __slots__ = (
        "began",
        "decision",
        "held",
        "process",
        "project",
        "spans",
        "telemetry",
        "unkept",
        "where",
    )

    def __init__(self, telemetry: Telemetry, name: str) -> None:
        super().__init__(self, name)
        self.telemetry = telemetry
        self.spans: list[Span] = []
        self.unkept = 0
        self.process = 0
        self.began = 0
        self.project = ""
        self.where: Folders | None = None
        self.decision: Decision | None = None
        self.held: str | None = None

    def __enter__(self) -> "Self":
        self.process = os.getpid()
        self.began = self.telemetry.clock()
        try:
            environ = concerning(os.environ)
            self.where = folders(environ)
            client = self.telemetry
            decision = ask(self.where, client.options, environ, None, client.named, client.program)
            if decision.state != OFF or decision.inspect:
                self.project = os.getcwd()  # noqa: PTH109  # pathlib costs 13 ms
                self.decision = decision
        except Exception as problem:  # noqa: BLE001  # nothing of ours may reach the program
            self._lose(self.where, problem)
        return super().__enter__()

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        trace: "TracebackType | None",
    ) -> None:
        super().__exit__(kind, error, trace)
        # Whoever pressed Ctrl+C wants the shell back, and no question.
        code = self.attributes and self.attributes.get("process.exit.code")
        if issubclass(type(error), KeyboardInterrupt) or (type(code) is int and code > _SIGNALLED):
            self.telemetry.interrupted = True
        # A process forked on the way ends this block, too; the operation is its parent's.
        if self.decision is None or self.where is None or os.getpid() != self.process:
            return
        try:
            preload(*_WRITER)
            from .ending import finish

            finish(self, self.where, self.decision)
        except Exception as problem:  # noqa: BLE001  # nothing of ours may reach the program
            self._lose(self.where, problem)

    def _lose(self, where: "Folders | None", problem: Exception) -> None:
        self.telemetry.lost += 1
        try:
            from ..outbox.losses import count_loss

            if where is not None:
                count_loss(where[1], "error", problem if isinstance(problem, OSError) else "")
        except Exception:  # noqa: BLE001, S110  # nothing of ours may reach the program
            pass


_exit_code_of = SystemExit.__dict__["code"].__get__
_class_name_of = type.__dict__["__name__"].__get__
_LONG_BITS = 64
"""Python exits with 255 for a number that does not fit a C long."""


def _is_given(value: object, *, otherwise: bool) -> bool:
    """Tell whether an option was given; `otherwise` for a value whose truth cannot be asked."""
    try:
        return bool(value)
    except Exception:  # noqa: BLE001  # the program's own code, which may raise anything
        return otherwise


def _swap(span: "Span | None") -> "Span | None":
    """Make `span` the one that new spans of this thread (or task) belong to; return the last."""
    global _task  # noqa: PLW0603  # made where the program first has tasks
    last: Span | None = getattr(_thread, "span", None)
    if _task is None:
        if "_contextvars" not in sys.modules:
            _thread.span = span
            return last
        from _contextvars import ContextVar

        _task = ContextVar("cqtel_span")
    # A task begins within what its thread was in before the program had tasks.
    last = _task.get(last)
    _task.set(span)
    return last
