"""All that an ordinary recording executes, from the first span to the envelope in the outbox.

It is one file because it runs inside somebody else's command (DESIGN §11): importing a module
costs a hundredth of what a bare Python takes to start, a class a five-hundredth, and to ask for a
variable that is not set an exception. So whatever runs in each command stands here, once. What a
choice adds is in `warm_path`, and what seldom happens (an error, a policy, a first cookie, another
system's folders) in the rooms, each imported where it is needed. The rooms hand on what is theirs:
`record` the recorder, `outbox` the writing, `consent` the asking, `catalogue` the fields, `paths`
the folders.

Nothing here raises into the program, prints to its stdout or waits. Only builtin modules are
imported, and annotations are quoted, for `__future__` is a module, too.

The payload is an OTLP/JSON `ExportTraceServiceRequest`, byte for byte what will be sent: ids in
hex, 64-bit integers as strings, enums as numbers, lowerCamelCase, as the OTLP specification has it
(https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
"""

import os
import stat
import sys
import time
from _thread import _local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _contextvars import ContextVar
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Any, Self

    Attributes = dict[str, object]
    Folders = tuple[str, str, tuple[str, ...]]
    """Those of configuration and state, and those of an administrator, first one first."""
    Said = tuple[str, str, str, str]
    """A layer, what it says, the option, variable or file it says it by, and a note."""
    Chosen = tuple[str | None, bool | None, str | None, int, int, str]
    """What a user chose: telemetry, debug, endpoint, catalogue, consented, yes; see
    `choices.Choice`."""

# What a payload says, and how large it may be.
SCOPE = "cqtel"
HEADERS = {"Content-Type": "application/json", "User-Agent": "cqtel"}
"""What goes with a payload, beside what HTTP itself needs (Host, Content-Length)."""
UNNAMED = "unnamed"
MAX_SPANS = 512
MAX_PAYLOAD_BYTES = 256 * 1024
MAX_STRING_BYTES = 1024
MAX_NAME = 40
MAX_VERSION = 32
MAX_PLUGINS = 64
MAX_LISTED_IN_ONE = 256
_MAX_LISTED = 1000

CATALOGUE_VERSION = 1
"""Raised when a field is added; a saved yes holds the version that it was given for."""

# Where it lies.
APPLICATION = "cqtel"
OUTBOX = "outbox"
PENDING = "pending"
SUFFIX = ".envelope"
FORMAT_VERSION = 2
RETRY_AT = "retry-at"
"""Its modification time is when the next delivery is due; there is none after a success."""
LONGEST_PAUSE_SECONDS = 24 * 3600
"""No delivery is put off for longer: what says so was written by a clock that was ahead."""
PROJECTS = "projects"
"""Where each project's path is kept under its mark."""
_SMALL = 16 * 1024
_COMMAS = 9

# Who says what.
COMMAND_LINE = "command line"
ENVIRONMENT = "environment"
ADMIN = "admin policy"
PROJECT = "project"
USER = "user"

ON = "on"
HOLD = "hold"
OFF = "off"
DEBUG = "debug"
NO_DEBUG = "no debug"
INSPECT = "inspect"

NO_TELEMETRY = "--no-telemetry"
OPTIONS = {NO_TELEMETRY: OFF, "--debug-telemetry": DEBUG, "--inspect-telemetry": INSPECT}
"""The three options of the documentation, and what each one says."""

HOME_VARIABLE = "CQ_TELEMETRY_HOME"
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
RUN_VARIABLE = "CQ_TELEMETRY_RUN"
"""What `cq-telemetry run` leaves for all that is started beneath it (see `gate.nesting`)."""
CLOSED_BY_A_RUN = "T"
"""What a run that holds sets `CQ_NO_TELEMETRY` to, for releases that cannot be held."""
_VARIABLES = frozenset(
    (
        *CI_VARIABLES,
        HOME_VARIABLE,
        *("CQ_NO_TELEMETRY", "DO_NOT_TRACK", "CQ_TELEMETRY_LEVEL"),
        *("CQ_DEBUG_TELEMETRY", "CQ_INSPECT_TELEMETRY", RUN_VARIABLE),
        *("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CONFIG_DIRS", "ANDROID_DATA"),
        *("LOCALAPPDATA", "PROGRAMDATA", "ALLUSERSPROFILE", "WIN_PD_OVERRIDE_LOCAL_APPDATA"),
    )
)

_UNTOLD = stat.S_IFMT(0xFFFF)
"""A mode that nothing has, neither a folder nor a file nor a link."""

# The files that are read, and how: never by a link, never waiting for a FIFO.
FILE_NAME = "choices.json"
PROJECT_FOLDER = ".cq"
PROJECT_FILE = "telemetry.json"
HAS_DIR_FD = os.open in os.supports_dir_fd
_MUST_LOOK = os.access not in os.supports_follow_symlinks
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK
OPEN_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | NO_LINK
"""How an untrusted folder is opened: itself, never what a link points to."""

DIGITS = "0123456789"
_HEX = DIGITS + "abcdef"
LOWER = "abcdefghijklmnopqrstuvwxyz"
_WORD = LOWER + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + DIGITS
_NAME = _WORD + "._-"
_TO_9 = str.maketrans(DIGITS, "9" * 10)
_TO_F = str.maketrans(_HEX, "f" * 16)
_SIGNALLED = 128  # and the signal's number: what a shell's exit code says of a child
_DATES = ("9999-99-99", "9999-99-99T99:99:99Z")

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

    Attributes:
        lost: how many operations could not be recorded, because of an error.
        held: the name of the last envelope that was held; None before the first.
        interrupted: whether an operation ended by Ctrl+C, or by a signal that a shell told of.
    """

    named: "Sequence[str]" = ()
    """Folders that the program was told to keep its files in, in the place of `.cq`."""
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
    ) -> None:
        self.application = application
        self.version = version
        self.build_date = build_date
        given = (
            _is_given(no_telemetry, otherwise=True),
            _is_given(debug_telemetry, otherwise=False),
            _is_given(inspect_telemetry, otherwise=True),
        )
        self.options = [option for option, is_given in zip(OPTIONS, given, strict=True) if is_given]
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
            from .first_run import ask_if_due
            from .paths import places

            here = places()
        except Exception:  # noqa: BLE001  # nothing of ours may reach the program
            return
        ask_if_due(here, self.held)

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
        # Of its class and its code only what Python itself knows: `__class__`, `__name__` and
        # `code` may be the program's own, and do anything.
        if issubclass(type(error), SystemExit):
            self.exit(_code_of(error))
        else:
            self.set("error.type", _name_of(type(error)))
            # Kept as it is: making text of it runs the program's code, so only where it is wanted.
            self.set("exception.message", error)

    def exit(self, code: object) -> None:
        """Note what the program exits with, as `sys.exit` takes it; all but 0 is a failure."""
        number = 0 if code is None else 1
        # Whatever its class adds to it: `isinstance` would ask the program's own code.
        if issubclass(type(code), int):
            value: int = int.__pos__(code)  # type: ignore[arg-type]
            number = value & 0xFF if value.bit_length() < _LONG_BITS else 0xFF
        self.set("process.exit.code", number)

    @property
    def failed(self) -> bool:
        """Whether it ended in an error, or with an exit code other than 0."""
        said = self.attributes
        if said is None:
            return False
        code = said.get("process.exit.code")
        return "error.type" in said or (type(code) in _PLAIN and bool(code))


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
            given = self.telemetry
            decision = ask(self.where, given.options, environ, named=given.named)
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
            self._finish(self.where, self.decision)
        except Exception as problem:  # noqa: BLE001  # nothing of ours may reach the program
            self._lose(self.where, problem)

    def _finish(self, where: "Folders", began: "Decision") -> None:
        environ = concerning(os.environ)
        decision = ask(where, self.telemetry.options, environ, self.project, self.telemetry.named)
        if decision.inspect or began.inspect:
            from .record.inspection import inspect

            self.telemetry.inspected.append(self._payload(decision, environ)[0])
            inspect(self.telemetry.inspected, self.project, self.telemetry.left_open)
        elif OFF not in (decision.state, began.state):
            self._hold(where[1], decision, environ)

    def _hold(self, state: str, decision: "Decision", environ: "Mapping[str, str]") -> None:
        telemetry = self.telemetry
        is_on = decision.state == ON
        payload, dropped = self._payload(decision, environ, create_cookie=is_on)
        version = _plain(telemetry.version)
        is_plain = type(version) is str and is_version(version)
        now = telemetry.clock()
        self.held = telemetry.held = hold(
            state,
            payload,
            now // 1000,
            telemetry.entropy(8).hex(),
            app=_name(telemetry.application) or UNNAMED,
            version=str(version) if is_plain else "",
            operation=_name(self.name) or UNNAMED,
            outcome="failed" if self.failed else "ok",
            duration=(self.end - self.start) // 1_000_000,
            headers=HEADERS,
            project=self.project,
            consent=decision.mark(decision.endpoint),
            has_error_text=decision.debug and self._has_error_text(),
            dropped=dropped,
        )
        if is_on and decision.endpoint and is_sender_due(state, now / 1e9):
            from .deliver.starting import start_if_due

            start_if_due(state, telemetry.options)

    def _payload(
        self, decision: "Decision", environ: "Mapping[str, str]", *, create_cookie: bool = False
    ) -> "tuple[bytes, int]":
        """Return the payload, and how many values and spans were left out of it."""
        resource, dropped = self._resource(decision, environ, create_cookie=create_cookie)
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

    def _resource(
        self, decision: "Decision", environ: "Mapping[str, str]", *, create_cookie: bool
    ) -> "tuple[Attributes, int]":
        telemetry = self.telemetry
        plugins, unfit = installed_plugins(self.project, telemetry.named)
        resource: Attributes = {
            "service.name": telemetry.application,
            "service.version": telemetry.version,
            "cloudquery.build_date": telemetry.build_date,
            "cloudquery.ci": any(
                [boolean(environ[name], otherwise=True) for name in environ if name in CI_VARIABLES]
            ),
            "cloudquery.debug": (decision.debug and self._has_error_text()) or None,
            "cloudquery.plugins": plugins or None,
        }
        if decision.state == ON:
            from .warm_path import cookie_of

            state = self.where[1] if self.where else ""
            resource["service.instance.id"] = cookie_of(self.project, state, create=create_cookie)
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

    def _lose(self, where: "Folders | None", problem: Exception) -> None:
        self.telemetry.lost += 1
        try:
            from .outbox import count_loss

            if where is not None:
                count_loss(where[1], "error", problem if isinstance(problem, OSError) else "")
        except Exception:  # noqa: BLE001, S110  # nothing of ours may reach the program
            pass


_code_of = SystemExit.__dict__["code"].__get__
_name_of = type.__dict__["__name__"].__get__
_LONG_BITS = 64
"""Python exits with 255 for a number that is no C long."""
_PLAIN = frozenset({str, int, bool, list})


def _is_given(value: object, *, otherwise: bool) -> bool:
    """Tell whether an option was given; `otherwise` for a value that cannot say."""
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
        fits = type(plain) in _PLAIN and (key in ON_SPANS) is on_span
        if fits and allows(key, plain, decision.catalogue, debug=decision.debug):
            kept[key] = plain
        else:
            dropped += 1
    return kept, dropped


def _name(value: object) -> str:
    """Return a plain name, empty if it is none."""
    name = _plain(value)
    return str(name) if type(name) is str and is_name(name) else ""


def _plain(value: object) -> object:
    """Return a text without what a class of the program's own may have added to it."""
    return str.__str__(value) if issubclass(type(value), str) else value


def _message(error: object) -> "str | None":
    """Return an error's text, cut to the bound; None if it has none to give."""
    try:
        text = str(error)
    except BaseException as problem:  # the program's own code, which may raise anything
        if type(problem) is KeyboardInterrupt:
            raise  # as good as never its own
        return None
    return str.encode(text, "utf-8", "replace")[:MAX_STRING_BYTES].decode("utf-8", "ignore")


def _attributes(attributes: "Attributes") -> str:
    written = [f'{{"key":"{key}","value":{_value(value)}}}' for key, value in attributes.items()]
    return f"[{','.join(written)}]"


def _value(value: object) -> str:
    if isinstance(value, str):
        return f'{{"stringValue":{quote(value)}}}'
    if isinstance(value, bool):
        return f'{{"boolValue":{"true" if value else "false"}}}'
    if isinstance(value, int):
        return f'{{"intValue":"{value}"}}'
    if isinstance(value, list):
        values = ",".join([_value(item) for item in value])
        return f'{{"arrayValue":{{"values":[{values}]}}}}'
    raise TypeError(f"no OTLP value for {type(value).__name__}")


def hold(
    state: str, payload: bytes, created: int, identity: str, *, project: str, **stated: "Any"
) -> str:
    """Put a payload in an envelope among the pending ones, and return the envelope's name.

    Where a bound is near, the oldest make room.

    Args:
        state: the state folder.
        payload: the request body that would be sent.
        created: now, in microseconds since 1970.
        identity: 16 random hex digits.
        project: where it was recorded; the envelope has its mark alone, for that project's own
            consent, and the state folder the path that the mark stands for.
        stated: what else the envelope states; see `sealed`.

    Raises:
        OSError: it could not be written. Nothing is left behind.
        ValueError: a plain name is none, so that no file can be called so.
    """
    mark = project_mark(project)
    name, envelope = sealed(payload, created, identity, project=mark, **stated)
    outbox = f"{state}/{OUTBOX}"
    folder = f"{outbox}/{PENDING}"
    try:
        os.stat(f"{outbox}/{PROJECTS}/{mark}")  # noqa: PTH116  # pathlib costs 13 ms
    except OSError:
        from .outbox.projects import remember

        remember(state, project)
    try:
        _write(folder, name, envelope)
    except FileNotFoundError:
        from .outbox import make_folder

        make_folder(folder)
        _write(folder, name, envelope)
    # Listing a full outbox takes as long as all the rest, so that one in sixteen does it, by
    # chance, and makes room for more than those that will not. A large payload always does.
    if identity[0] == "0" or len(envelope) > _SMALL:
        from .outbox.bounds import make_room

        make_room(state, created)
    return name


def sealed(  # noqa: PLR0913  # what stands on an envelope, each thing its own
    payload: bytes,
    created: int,
    identity: str,
    *,
    app: str,
    version: str,
    operation: str,
    outcome: str,
    duration: int,
    headers: "Mapping[str, str]",
    project: str,
    has_error_text: bool,
    consent: str = "",
    dropped: int = 0,
    kind: str = "otlp-traces",
    origin: str = "record",
    target: "str | None" = None,
    caught: bytes = b"",
) -> "tuple[str, bytes]":
    """Return an envelope's file name and its bytes, under one seal; `outbox.envelope` reads them.

    What stands on the outside, its name, is all that a list shows, so that listing needs no `stat`
    and no parse: time, id, attempts, size, origin, program, version, operation, outcome, duration.
    The header line says the same, and more. Its last key is the seal: the SHA-256 of the line's
    bytes before the seal, the payload and what was caught.

    Args:
        payload: the request body that would be sent.
        created: now, in microseconds since 1970.
        identity: 16 random hex digits.
        app: the program, a plain name.
        version: its version, or empty.
        operation: the operation, a plain name.
        outcome: `ok` or `failed`; empty if unknown.
        duration: in milliseconds.
        headers: the HTTP headers that go with it, all but Host and Content-Length.
        project: the mark of the project that it was recorded in.
        has_error_text: whether an error's text is in the payload.
        consent: the mark of the yes under which it was recorded (`Decision.mark`), or empty.
        dropped: how many values and spans were left out, by the catalogue or by a bound.
        kind: what the payload is, `otlp-traces` for our own.
        origin: `record` (recorded here) or `gate` (caught).
        target: where it was bound for, if the program said so; None for the user's endpoint.
        caught: what the payload was made of; kept behind it to be read, and never sent.

    Raises:
        ValueError: a plain name is none, so that no file can be called so.
    """
    size = len(payload) + len(caught)
    name = (
        f"{created:016d},{identity},0,{size},{origin},{app},{version},{operation},"
        f"{outcome},{duration}{SUFFIX}"
    )
    if "/" in name or "\0" in name or name.count(",") != _COMMAS:
        raise ValueError(f"no envelope can be called {name!r}")
    listed = ",".join([f"{quote(key)}:{quote(value)}" for key, value in headers.items()])
    behind = f',"caught":{{"sha256":"{sha256(caught)}","length":{len(caught)}}}' if caught else ""
    header = (
        f'{{"v":{FORMAT_VERSION},"id":"{identity}","kind":"{kind}","created":{created},'
        f'"origin":"{origin}","app":{{"name":{quote(app)},"version":{quote(version)}}},'
        f'"operation":{quote(operation)},"outcome":{quote(outcome)},"duration":{duration},'
        f'"target":{quote(target) if target else "null"},"headers":{{{listed}}},'
        f'"project":"{project}","consent":"{consent}",'
        f'"has_error_text":{"true" if has_error_text else "false"},"dropped":{dropped},'
        f'"sha256":"{sha256(payload)}","length":{len(payload)}{behind}'
    ).encode("ascii")
    content = payload + caught
    return name, b'%b,"seal":"%b"}\n%b' % (header, sha256(header + content).encode(), content)


def _write(folder: str, name: str, envelope: bytes) -> None:
    """Write an envelope by temporary file and rename; no fsync: one that is torn will be seen."""
    temporary = f"{folder}/.{name}"
    opened = os.open(temporary, CREATE, 0o600)
    try:
        try:
            while envelope:
                envelope = envelope[os.write(opened, envelope) :]
        finally:
            os.close(opened)
        os.rename(temporary, f"{folder}/{name}")  # noqa: PTH104  # pathlib costs 13 ms
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise


def is_sender_due(state: str, now: float) -> bool:
    """Tell whether the next delivery is due at `now`, in seconds since 1970: one `stat`."""
    try:
        pause = os.stat(f"{state}/{OUTBOX}/{RETRY_AT}").st_mtime - now  # noqa: PTH116  # 13 ms
    except OSError:
        return True
    return not 0 < pause <= LONGEST_PAUSE_SECONDS


def project_mark(project: str) -> str:
    """Return what stands on an envelope for a project: a hash, so that it holds no path."""
    return sha256(project.encode("utf-8", "surrogateescape"))[:16]


def yes_mark(yes: str, destination: "str | None") -> str:
    """Return the mark of one yes to one destination, 16 hex digits."""
    return sha256(f"{yes} {destination or ''}".encode("utf-8", "surrogateescape"))[:16]


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data`, 64 hex digits."""
    # The name is asked for where it is: a failed import searches the whole path.
    try:
        if sys.version_info >= (3, 12):
            from _sha2 import sha256 as digest
        else:
            from _sha256 import sha256 as digest
    except ImportError:
        from hashlib import sha256 as digest
    return str(digest(data).hexdigest())


def quote(text: str) -> str:
    """Return `text` as a JSON string of plain ASCII."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    from ._bare import quote as escape

    return escape(text)


class Decision:
    """What all layers come to.

    Attributes:
        state: `on` (recorded and delivered), `hold` (recorded and kept here) or `off` (nothing).
        debug: whether error texts are recorded.
        inspect: whether to write `cq-telemetry.txt` instead of anything else.
        endpoint: the URL to deliver to, or None.
        catalogue: the catalogue version whose fields may be recorded.
        yeses: each yes of the user's that applies here, by its id, the narrowest first.
        said: who said what, for `layers.reasons`.
    """

    __slots__ = ("catalogue", "debug", "endpoint", "inspect", "said", "state", "yeses")

    def __init__(self, said: "Sequence[Said]", chosen: "Iterable[Chosen]" = ()) -> None:
        """Decide: a pure function of what the layers say.

        Args:
            said: what each layer says.
            chosen: the user's choices that apply here, the narrowest first.
        """
        says = {one[1] for one in said}
        self.said = said
        self.state = OFF if OFF in says else ON if ON in says else HOLD
        self.debug = self.state != OFF and DEBUG in says and NO_DEBUG not in says
        self.inspect = INSPECT in says
        self.endpoint: str | None = None
        self.catalogue = 0
        self.yeses: list[str] = []
        for telemetry, _, endpoint, catalogue, _, yes in chosen:
            self.endpoint = self.endpoint or endpoint
            if telemetry == ON:
                self.catalogue = self.catalogue or catalogue
                self.yeses.append(yes)
        if self.state != ON:
            self.catalogue = CATALOGUE_VERSION

    def mark(self, destination: "str | None") -> str:
        """Return what stands on an envelope that is recorded under the user's yes.

        It tells one yes to one destination from every other, without a clock: what was recorded
        before a yes, after it was taken back, or when payloads went elsewhere has another mark.
        Empty where there is no yes.

        Args:
            destination: the endpoint, for our own payloads; None for what has a target of its own.
        """
        if self.state != ON or not self.yeses:
            return ""
        return yes_mark(self.yeses[0], destination)


def ask(
    places: "Folders",
    options: "Iterable[str]" = (),
    environ: "Mapping[str, str] | None" = None,
    directory: "str | None" = None,
    named: "Sequence[str]" = (),
) -> "Decision":
    """Ask every layer, and return what they come to.

    Args:
        places: where the files of the user and of an administrator are.
        options: those of `OPTIONS` that were given on the command line.
        environ: the environment; this process's by default.
        directory: the project, as a real path; the current directory by default.
        named: folders that the program was told to keep its files in, by `--cq-dir` and its kin: a
            no of theirs counts as well, and one of the projects that they lie in.
    """
    try:
        project = os.getcwd() if directory is None else directory  # noqa: PTH109  # 13 ms
    except OSError:
        return Decision([(PROJECT, OFF, "the current directory", "it cannot be read")])
    config, _, admin = places
    environ = concerning(os.environ) if environ is None else environ
    said = [(COMMAND_LINE, OPTIONS[option], option, "") for option in options]
    said += environment_says(environ)
    for folder in admin:
        if _may_say(folder, FILE_NAME):
            from .consent.choices import policy_says

            said += policy_says(folder)
    starts = [project]
    if named:
        from .consent.choices import named_say

        starts, answer = named_say(project, named)
        said += answer
    home = environ.get("HOME", "").rstrip("/")
    if is_root() and any([owner_of(folder) for folder in (config, places[1], home) if folder]):
        from .paths import foreign_says

        said += foreign_says(places, home)
    for start in starts:
        for folder in _projects(start, home):
            from .consent.choices import project_says

            said += [one for one in project_says(folder, start, home) if one not in said]
    if not _may_say(config, FILE_NAME):
        return Decision(said)
    from .warm_path import user_says

    answer, chosen = user_says(config, *starts)
    if environ.get(HOME_VARIABLE) or environ.get("XDG_CONFIG_HOME"):
        from .warm_path import moved_says

        answer += moved_says(places, chosen, project, home)
    return Decision(said + answer, chosen)


def is_root() -> bool:
    """Tell whether this is root, who can write where others are at home."""
    return hasattr(os, "geteuid") and not os.geteuid()


def owner_of(folder: str) -> int:
    """Return whose a folder is, or the nearest one above it that is there; root's if neither."""
    while folder:
        try:
            return os.stat(folder).st_uid  # noqa: PTH116  # pathlib costs 13 ms
        except (FileNotFoundError, NotADirectoryError):
            folder = folder.rpartition(os.sep)[0]
        except OSError:
            break  # what root cannot look at, it does not write to
    return 0


def _projects(start: str, home: str) -> "list[str]":
    """Return `start` and each folder above it, up to `home`, whose project may have a say.

    A link, or what cannot be looked at, is not taken for silence.
    """
    found = []
    top = len(os.path.splitdrive(start)[0])  # pathlib costs 13 ms
    folder = start.rstrip(os.sep)
    is_start = True
    while True:
        path = f"{folder}/{PROJECT_FOLDER}"
        # What is not there costs an error, but for this question. It cannot tell what is closed to
        # us; but whoever came to the start came through all folders above it.
        if is_start or _MUST_LOOK or os.access(path, os.F_OK, follow_symlinks=False):
            mode = _mode(path)
            if mode and (not stat.S_ISDIR(mode) or _mode(f"{path}/{PROJECT_FILE}")):
                found.append(folder or os.sep)
        if folder == home or len(folder) <= top:
            return found
        folder = folder.rpartition(os.sep)[0]
        is_start = False


def _may_say(folder: str, name: str) -> bool:
    """Tell whether a file in this folder is there, or cannot be reached, so that it may be.

    What is behind a link to nowhere, such as a share that is not there now, may say no.
    """
    mode = _mode(folder)
    if stat.S_ISDIR(mode):
        return _mode(f"{folder}/{name}") != 0
    while not mode:
        folder, separator, _ = folder.rpartition(os.sep)
        if not separator:
            return False
        mode = _mode(folder or separator)
        if mode:  # of the folders above, this one is there: a real one says that nothing is below
            return not stat.S_ISDIR(mode) and not stat.S_ISDIR(_mode(f"{folder}/."))
    return _mode(f"{folder}/{name}") != 0 or not stat.S_ISDIR(_mode(f"{folder}/."))


def concerning(environ: "Mapping[str, str]") -> "dict[str, str]":
    """Return those variables that concern us: one look, where asking for each costs an error."""
    return {name: environ[name] for name in _VARIABLES.intersection(environ)}


def environment_says(environ: "Mapping[str, str]") -> "list[Said]":
    """Return what the environment says: off, debug or inspect, never on."""
    outer = environ.get(RUN_VARIABLE, "").partition(";")[0]
    said = [
        (ENVIRONMENT, OFF, f"{name}={environ[name]}", "")
        for name in ("CQ_NO_TELEMETRY", "DO_NOT_TRACK")
        if name in environ
        and boolean(environ[name], otherwise=True)
        # Within a run this is the run's own doing, and closes what it cannot hold.
        and not (outer in {HOLD, ON} and environ[name] == CLOSED_BY_A_RUN)
    ]
    if outer == OFF:
        said.append((ENVIRONMENT, OFF, RUN_VARIABLE, "the run that this is within is off"))
    # Errors alone means no statistics, and statistics alone means no error texts. A level that
    # CloudQuery does not know makes it stop; here it makes telemetry stop.
    level = environ.get("CQ_TELEMETRY_LEVEL")
    if level == "stats" and outer in {HOLD, ON}:
        level = ""  # the run's own doing, too
    if level and level != "all":
        says = NO_DEBUG if level == "stats" else OFF
        said.append((ENVIRONMENT, says, f"CQ_TELEMETRY_LEVEL={level}", ""))
    debug = environ.get("CQ_DEBUG_TELEMETRY")
    if debug:
        says = DEBUG if boolean(debug, otherwise=False) else NO_DEBUG
        said.append((ENVIRONMENT, says, f"CQ_DEBUG_TELEMETRY={debug}", ""))
    inspect = environ.get("CQ_INSPECT_TELEMETRY")
    if inspect and boolean(inspect, otherwise=True):
        said.append((ENVIRONMENT, INSPECT, f"CQ_INSPECT_TELEMETRY={inspect}", ""))
    return said


def boolean(value: str, *, otherwise: bool) -> bool:
    """Read a boolean variable; empty is unset, `otherwise` is the answer for what is neither."""
    lowered = value.lower()
    if lowered in {"", "0", "false", "no", "off"}:
        return False
    return otherwise or lowered in {"1", "true", "yes", "on"}


def _mode(path: str) -> int:
    """Return the type and mode of what is there; 0 for nothing, `_UNTOLD` if that can't be told."""
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return 0
    except (OSError, ValueError):
        return _UNTOLD


def open_folder(directory: str) -> int:
    """Open the folder of the cookie and the plugins, never what a link points to.

    Raises:
        OSError: it is not there, is a link or no folder, or cannot be opened.
    """
    if not HAS_DIR_FD:
        raise OSError(0, "this system cannot open the folder without following links")
    return os.open(f"{directory}/{PROJECT_FOLDER}", OPEN_FOLDER)


def installed_plugins(directory: str, named: "Sequence[str]" = ()) -> "tuple[list[str], int]":
    """Return what is installed in the project, and how many more there were that do not fit.

    `.cq/plugins/<kind>/<organisation>/<name>/<version>` today, and the file
    `.cq/providers/<organisation>/<name>/<version>-<os>_<arch>` in 2021. The folder is untrusted:
    no link is followed, and the number of entries read is bounded.

    Args:
        directory: the project.
        named: folders that stand in for its `.cq`, as the program was told.
    """
    budget = [_MAX_LISTED, 0]  # how many more are read, and whether there were more
    found = _installed(f"{directory}/{PROJECT_FOLDER}", budget)
    for name in named:
        # The user named it, be it by a link; what it has within is untrusted all the same.
        found += _installed(os.path.realpath(os.path.join(directory, name)), budget)  # noqa: PTH118
    plugins = sorted(set(filter(is_plugin, found)))
    unfit = sum([not is_plugin(each) for each in found]) + budget[1]
    return plugins[:MAX_PLUGINS], unfit + max(0, len(plugins) - MAX_PLUGINS)


def _installed(path: str, budget: "list[int]") -> "list[str]":
    """Return what lies in the folder of plugins and in that of providers."""
    try:
        folder = os.open(path, OPEN_FOLDER) if HAS_DIR_FD else None
    except OSError:
        folder = None
    if folder is None:
        return []
    try:
        found = _list(folder, "plugins", 4, budget, may_be_files=False)
        return found + [
            "provider/" + _provider(path)
            for path in _list(folder, "providers", 3, budget, may_be_files=True)
        ]
    finally:
        os.close(folder)


def _list(
    parent: int, name: str, levels: int, budget: "list[int]", *, may_be_files: bool
) -> "list[str]":
    """Return what lies `levels` below `name` as paths, with `@` before the last part.

    That is a folder; or a file, where they may be.
    """
    try:
        folder = os.open(name, OPEN_FOLDER, dir_fd=parent)
    except OSError:
        return []
    names = []
    try:
        with os.scandir(folder) as entries:
            for at, entry in enumerate(entries):
                if budget[0] <= 0 or at == MAX_LISTED_IN_ONE:
                    budget[1] = 1
                    break
                budget[0] -= 1
                is_file = may_be_files and levels == 1 and entry.is_file(follow_symlinks=False)
                if is_file or entry.is_dir(follow_symlinks=False):
                    names.append(entry.name)
        names.sort()
        if levels == 1:
            return names
        mark = "@" if levels == 2 else "/"  # noqa: PLR2004  # a name, and its versions
        return [
            each + mark + rest
            for each in names
            for rest in _list(folder, each, levels - 1, budget, may_be_files=may_be_files)
        ]
    except OSError:
        return []
    finally:
        os.close(folder)


def _provider(path: str) -> str:
    """Take the system and the machine from the version that a release of 2021 wrote."""
    stem, _, machine = path.rpartition("-")
    system, _, architecture = machine.removesuffix(".exe").partition("_")
    return stem if system.isalnum() and architecture.isalnum() else path


def allows(key: str, value: object, version: int, *, debug: bool) -> bool:
    """Tell whether this value of this attribute may be recorded.

    Args:
        key: the attribute's key.
        value: what would be stored.
        version: the catalogue version that the user agreed to.
        debug: whether debug mode is on.
    """
    accepts, since, only_in_debug = RECORDED.get(key, (None, 0, False))
    return (
        accepts is not None and since <= version and (debug or not only_in_debug) and accepts(value)
    )


def _made_of(value: object, characters: str, longest: int, first: str) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= longest
        and value[0] in first
        and not value.strip(characters)
    )


def is_name(value: object) -> bool:
    """Tell whether `value` is a plain name: no space, slash or @, so no path and no e-mail."""
    return _made_of(value, _NAME, MAX_NAME, _WORD)


def is_version(value: object) -> bool:
    """Tell whether `value` is a version such as 6.21.1 or v0.20.0-rc.1."""
    return (
        isinstance(value, str)
        and len(value) <= MAX_VERSION
        and _made_of(value.removeprefix("v"), _WORD + ".+-", MAX_VERSION, DIGITS)
    )


def is_plugins(value: object) -> bool:
    """Tell whether `value` is a list of `kind/organisation/name@version`."""
    return isinstance(value, list) and len(value) <= MAX_PLUGINS and all(map(is_plugin, value))


def is_plugin(value: object) -> bool:
    """Tell whether `value` is `kind/organisation/name@version`."""
    path, _, version = value.partition("@") if isinstance(value, str) else ("", "", "")
    parts = path.split("/")
    return (
        len(parts) == 3  # noqa: PLR2004  # kind, organisation and name
        and parts[0] in {"source", "destination", "transformer", "provider"}
        and is_name(parts[1])
        and is_name(parts[2])
        and is_version(version)
    )


def is_date(value: object) -> bool:
    """Tell whether `value` is a day, or a day and a time in UTC."""
    return isinstance(value, str) and value.translate(_TO_9) in _DATES


def is_cookie(value: object) -> bool:
    """Tell whether `value` is a random UUID (version 4) in its canonical lower-case form."""
    return (
        isinstance(value, str)
        and value.translate(_TO_F) == "ffffffff-ffff-ffff-ffff-ffffffffffff"
        and value[14] == "4"
        and value[19] in "89ab"
    )


def is_boolean(value: object) -> bool:
    """Tell whether `value` is true or false."""
    return value is True or value is False


def is_exit_code(value: object) -> bool:
    """Tell whether `value` is what a program can exit with."""
    return type(value) is int and 0 <= value < 256  # noqa: PLR2004  # one byte


def is_class_name(value: object) -> bool:
    """Tell whether `value` is the name of a class."""
    return _made_of(value, _WORD + "_.", MAX_NAME * 2, _WORD + "_")


def is_message(value: object) -> bool:
    """Tell whether `value` is a text within the bound."""
    return isinstance(value, str) and len(value.encode("utf-8", "replace")) <= MAX_STRING_BYTES


RECORDED: "dict[str, tuple[Callable[[object], bool], int, bool]]" = {
    "service.name": (is_name, 1, False),
    "service.version": (is_version, 1, False),
    "cloudquery.build_date": (is_date, 1, False),
    "service.instance.id": (is_cookie, 1, False),
    "cloudquery.ci": (is_boolean, 1, False),
    "cloudquery.plugins": (is_plugins, 1, False),
    "cloudquery.debug": (is_boolean, 1, True),
    "process.exit.code": (is_exit_code, 1, False),
    "error.type": (is_class_name, 1, False),
    "exception.message": (is_message, 1, True),
}
"""Each attribute that may be recorded: its shape, since which catalogue, whether only in debug."""

ON_SPANS = frozenset({"process.exit.code", "error.type", "exception.message"})
"""What the operation or a part of it may say; all else is said of the program, and by us."""


def folders(environ: "Mapping[str, str]", platform: str = sys.platform) -> "Folders":
    """Return the folders of configuration, of state, and those of an administrator.

    Nothing is created, nothing is checked. The plain cases of Linux and macOS are worked out here,
    the odd ones in `paths`.

    Raises:
        CqtelError: there is no home folder, so that no path would be absolute.
    """
    is_mac = platform == "darwin"
    if platform == "win32":
        from .paths import windows_admin

        admin = windows_admin(environ)
    else:
        listed = environ.get("XDG_CONFIG_DIRS", "").split(":")
        named = [join(folder) for folder in listed if folder[:1] == "/"]
        own = join("/Library/Application Support" if is_mac else "/etc/xdg")
        admin = tuple(named) if own in named else (*named, own)
    moved = environ.get(HOME_VARIABLE)
    if moved:
        # An administrator's policy holds for a moved home too: its variable is anybody's to set.
        if moved[-1] == "/" or "//" in moved or "/." in moved:
            moved = os.path.abspath(moved)  # noqa: PTH100  # pathlib costs 13 ms here
        if environ[HOME_VARIABLE][0] != "/" or moved.lstrip("/")[:4] in {"proc", "dev/"}:
            from .paths import moved_folder

            moved = moved_folder(environ[HOME_VARIABLE])
        return moved, moved, admin
    home = environ.get("HOME", "")
    config = environ.get("XDG_CONFIG_HOME", "")
    state = environ.get("XDG_STATE_HOME", "")
    is_odd = home[:1] != "/" or config[:1] not in {"", "/"} or state[:1] not in {"", "/"}
    if is_odd or platform not in {"linux", "darwin"} or "ANDROID_DATA" in environ:
        from .paths import odd_folders

        return (*odd_folders(environ, platform), admin)
    home = home.rstrip("/")
    library = home + "/Library/Application Support"
    config = config or (library if is_mac else home + "/.config")
    state = state or (library if is_mac else home + "/.local/state")
    return join(config), join(state), admin


def join(folder: str) -> str:
    """Return our folder in `folder`."""
    return folder + ("" if folder.endswith("/") else "/") + APPLICATION
