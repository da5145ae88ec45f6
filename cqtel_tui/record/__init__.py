"""Record operations: the client that runs inside somebody else's command.

This front door is on the hot path (DESIGN §11), and in one piece because each module costs what
ten functions do. It never raises into the program, never prints to its stdout, never waits, and
counts what it lost.

The payload is an OTLP/JSON `ExportTraceServiceRequest`, byte for byte what will be sent: ids in
hex, 64-bit integers as strings, enums as numbers, lowerCamelCase, as the OTLP specification has it
(https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
"""

import os
import sys
import time
from _thread import _local

from ..catalogue import MAX_STRING_BYTES, ON_SPANS, allows, is_name, is_version
from ..consent import OFF, ON, OPTIONS, PROJECT_FOLDER, ask
from ..paths import places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _contextvars import ContextVar
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from ..consent import Decision
    from ..paths import Places

    Attributes = dict[str, object]

SCOPE = "cqtel"
HEADERS = {"Content-Type": "application/json", "User-Agent": "cqtel"}
"""What goes with a payload, beside what HTTP itself needs (Host, Content-Length)."""

MAX_SPANS = 512
UNNAMED = "unnamed"
CI_VARIABLES = (
    "CI",
    "BUILD_ID",
    "BUILDKITE",
    "CIRCLECI",
    "CIRCLE_CI",
    "CIRRUS_CI",
    "CODEBUILD_BUILD_ID",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "HEROKU_TEST_RUN_ID",
    "TEAMCITY_VERSION",
    "TF_BUILD",
    "TRAVIS",
)
"""The documented variables that say a program runs in CI, read as booleans."""

# Tasks need a context variable, whose module costs as much as all of this: a program that has
# tasks (asyncio, trio …) has imported it already.
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

    Attributes:
        lost: how many operations could not be recorded, because of an error.
        held: the name of the last envelope that was held; None before the first.
    """

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
    ) -> None:
        self.application = application
        self.version = version
        self.build_date = build_date
        given = (no_telemetry, debug_telemetry, inspect_telemetry)
        self.options = [option for option, is_given in zip(OPTIONS, given, strict=True) if is_given]
        self.lost = 0
        self.inspected: list[bytes] = []
        self.held: str | None = None

    def ask(self) -> None:
        """Ask the user for consent to what was recorded last, where somebody is there to answer.

        Asks at most once a day and three times in all, never in CI, and never without a terminal
        on stdin and stderr; nothing is written to stdout. Call it when the program has done its
        work: it waits for the answer.
        """
        if self.held is not None:
            from ..first_run import ask_if_due

            ask_if_due(places(), self.held)

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
        """Note a value; one that the catalogue does not know is left out, and counted."""
        if self.attributes is None:
            self.attributes = {}
        self.attributes[key if type(key) is str else UNNAMED] = value

    def fail(self, error: BaseException) -> None:
        """Mark this part as failed by `error`: the name of its class, in debug mode its text."""
        if isinstance(error, SystemExit):
            self.exit(error.code)
        else:
            self.set("error.type", type(error).__name__)
            # Kept as it is: making text of it runs the program's code, so only where it is wanted.
            self.set("exception.message", error)

    def exit(self, code: object) -> None:
        """Note what the program exits with, as `sys.exit` takes it; all but 0 is a failure."""
        number = code if isinstance(code, int) else 0 if code is None else 1
        self.set("process.exit.code", number & 0xFF)

    @property
    def failed(self) -> bool:
        """Whether it ended in an error, or with an exit code other than 0."""
        said = self.attributes
        return said is not None and ("error.type" in said or bool(said.get("process.exit.code")))


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
        self.where: Places | None = None
        self.decision: Decision | None = None
        self.held: str | None = None

    def __enter__(self) -> "Self":
        self.process = os.getpid()
        self.began = self.telemetry.clock()
        try:
            self.where = places()
            decision = ask(self.where, self.telemetry.options)
            if decision.state != OFF or decision.inspect:
                self.project = os.getcwd()  # noqa: PTH109  # pathlib costs 13 ms
                self.decision = decision
        except Exception:  # noqa: BLE001  # nothing of ours may reach the program
            self.telemetry.lost += 1
        return super().__enter__()

    def __exit__(
        self,
        kind: "type[BaseException] | None",
        error: "BaseException | None",
        trace: "TracebackType | None",
    ) -> None:
        super().__exit__(kind, error, trace)
        # A process forked on the way ends this block, too; the operation is its parent's.
        if self.decision is None or self.where is None or os.getpid() != self.process:
            return
        try:
            self._finish(self.where, self.decision)
        except Exception:  # noqa: BLE001  # nothing of ours may reach the program
            self._lose(self.where.state)

    def _finish(self, where: "Places", began: "Decision") -> None:
        decision = ask(where, self.telemetry.options, directory=self.project)
        if decision.inspect or began.inspect:
            from .inspection import inspect

            self.telemetry.inspected.append(self._payload(decision)[0])
            inspect(self.telemetry.inspected, self.project)
        elif OFF not in (decision.state, began.state):
            self._hold(where.state, decision)

    def _hold(self, state: str, decision: "Decision") -> None:
        from ..outbox import hold, is_sender_due

        telemetry = self.telemetry
        payload, dropped = self._payload(decision, create_cookie=decision.state == ON)
        version = _plain(telemetry.version)
        now = telemetry.clock()
        self.held = telemetry.held = hold(
            state,
            payload,
            now // 1000,
            telemetry.entropy(8).hex(),
            app=_name(telemetry.application) or UNNAMED,
            version=str(version) if is_version(version) else "",
            operation=_name(self.name) or UNNAMED,
            outcome="failed" if self.failed else "ok",
            duration=(self.end - self.start) // 1_000_000,
            headers=HEADERS,
            project=self.project,
            dropped=dropped,
        )
        if decision.state == ON and decision.endpoint and is_sender_due(state, now / 1e9):
            from ..deliver.starting import start_if_due

            start_if_due(state, telemetry.options)

    def _payload(self, decision: "Decision", *, create_cookie: bool = False) -> "tuple[bytes, int]":
        """Return the payload, and how many values and spans were left out of it."""
        from ..outbox import MAX_PAYLOAD_BYTES

        resource, dropped = self._resource(decision, create_cookie=create_cookie)
        about = _attributes(resource)
        spans = self.spans
        while True:
            written, left_out = self._spans(spans, decision)
            payload = (
                f'{{"resourceSpans":[{{"resource":{{"attributes":{about}}},'
                f'"scopeSpans":[{{"scope":{{"name":"{SCOPE}"}},"spans":[{written}]}}]}}]}}'
            ).encode("ascii")
            if len(payload) <= MAX_PAYLOAD_BYTES:
                return payload, dropped + left_out + self.unkept + len(self.spans) - len(spans)
            spans = spans[: len(spans) // 2]

    def _resource(self, decision: "Decision", *, create_cookie: bool) -> "tuple[Attributes, int]":
        telemetry, directory = self.telemetry, self.project
        resource: Attributes = {
            "service.name": telemetry.application,
            "service.version": telemetry.version,
            "cloudquery.build_date": telemetry.build_date,
            "cloudquery.ci": _in_ci(),
            "cloudquery.debug": (decision.debug and self._has_error_text()) or None,
        }
        unfit = 0
        if os.path.exists(f"{directory}/{PROJECT_FOLDER}"):  # noqa: PTH110  # pathlib costs 13 ms
            from .plugins import installed_plugins

            plugins, unfit = installed_plugins(directory)
            resource["cloudquery.plugins"] = plugins or None
        if decision.state == ON:
            from ..consent.cookie import look, read_or_create

            found = read_or_create(directory) if create_cookie else look(directory).value
            resource["service.instance.id"] = found
        kept, dropped = _allowed(resource, decision, on_span=False)
        return kept, dropped + unfit

    def _has_error_text(self) -> bool:
        return any("exception.message" in (span.attributes or ()) for span in self.spans)

    def _spans(self, spans: "list[Span]", decision: "Decision") -> "tuple[str, int]":
        """Return these spans as JSON, and how many of their values were left out."""
        digits = self.telemetry.entropy(16 + 8 * len(spans)).hex()
        trace = digits[:32]
        ids: dict[int, str] = {}
        dropped = 0
        written = []
        for at, span in enumerate(spans, 2):
            ids[id(span)] = own = digits[16 * at : 16 * at + 16]
            within = said = ""
            code = 1
            if span.parent is not span:
                within = f'"parentSpanId":"{ids.get(id(span.parent), ids[id(self)])}",'
            if span.attributes:
                code = 2 if span.failed else 1
                kept, left_out = _allowed(span.attributes, decision, on_span=True)
                dropped += left_out
                said = f'"attributes":{_attributes(kept)},' if kept else ""
            name = _name(span.name)
            if not name:
                name = UNNAMED
                dropped += 1
            start = self.began + span.start - self.start
            # A span that a thread still runs ends with its operation.
            end = self.began + max(span.end or self.end, span.start) - self.start
            written.append(
                f'{{"traceId":"{trace}","spanId":"{own}",{within}"name":"{name}","kind":1,'
                f'"startTimeUnixNano":"{start}","endTimeUnixNano":"{end}",'
                f'{said}"status":{{"code":{code}}}}}'
            )
        return ",".join(written), dropped

    def _lose(self, state: str) -> None:
        self.telemetry.lost += 1
        try:
            from ..outbox import count_loss

            count_loss(state, "error")
        except Exception:  # noqa: BLE001, S110  # nothing of ours may reach the program
            pass


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


def _in_ci() -> bool:
    environ = os.environ
    for name in CI_VARIABLES:
        if name in environ and environ[name].lower() not in {"", "0", "false", "no", "off"}:
            return True
    return False


def _allowed(
    attributes: "Attributes", decision: "Decision", *, on_span: bool
) -> "tuple[Attributes, int]":
    """Return what the catalogue allows, and how many values it does not."""
    kept: Attributes = {}
    dropped = 0
    for key, value in attributes.items():
        if value is None:
            continue  # nothing was known, so nothing is left out
        if key == "exception.message":
            if not decision.debug:
                continue
            value = _message(value)  # noqa: PLW2901
        plain = _plain(value)
        fits = allows(key, plain, decision.catalogue, debug=decision.debug)
        if fits and (key in ON_SPANS) is on_span:
            kept[key] = plain
        else:
            dropped += 1
    return kept, dropped


def _name(value: object) -> str:
    """Return a plain name, empty if it is none."""
    name = str.__str__(value) if isinstance(value, str) else ""
    return name if is_name(name) else ""


def _plain(value: object) -> object:
    """Return a text without what a class of the program's own may have added to it."""
    return str.__str__(value) if isinstance(value, str) else value


def _message(error: object) -> "str | None":
    """Return an error's text, cut to the bound; None if it has none to give."""
    try:
        data = str(error).encode("utf-8", "replace")
    except Exception:  # noqa: BLE001  # the program's own code, which may raise anything
        return None
    return data[:MAX_STRING_BYTES].decode("utf-8", "ignore")


def _attributes(attributes: "Attributes") -> str:
    from ..outbox import quote

    written = [
        f'{{"key":"{key}","value":{_value(value, quote)}}}' for key, value in attributes.items()
    ]
    return f"[{','.join(written)}]"


def _value(value: object, quote: "Callable[[str], str]") -> str:
    if isinstance(value, str):
        return f'{{"stringValue":{quote(value)}}}'
    if isinstance(value, bool):
        return f'{{"boolValue":{"true" if value else "false"}}}'
    if isinstance(value, int):
        return f'{{"intValue":"{value}"}}'
    if isinstance(value, list):
        values = ",".join([_value(item, quote) for item in value])
        return f'{{"arrayValue":{{"values":[{values}]}}}}'
    raise TypeError(f"no OTLP value for {type(value).__name__}")
