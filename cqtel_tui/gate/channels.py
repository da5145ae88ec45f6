"""By which channels a program reports, and what becomes of each: held, blocked, or its user's own.

Data, one `Channels` for each program that is known; `variables` makes of it what a program is
started with. Loaded before a program starts, and lean for that (DESIGN §11).
"""

from .records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .field_shapes import Schema


SECRET_HEADER = "cq-telemetry-secret"  # noqa: S105  # its name
"""What shows the gate's secret where a path cannot: the paths of gRPC are fixed."""
BASE_URL = "base"
WHOLE_URL = "whole"


@record(frozen=True)
class Blocked:
    """A channel whose content cannot be held for review, so that it is blocked.

    Attributes:
        name: what it is.
        reason: why it cannot be held, for the user to read.
        counted: the variable that names its host and port; it is pointed to where attempts are
            counted. Empty where there is none.
        call: the path of the call in gRPC that it makes there. Where HTTP/2 can be read, and the
            system says whose a connection is, it is held all the same.
        upstream: where that call is made without us.
    """

    name: str
    reason: str
    counted: str = ""
    call: str = ""
    upstream: str = ""


@record(frozen=True)
class Channels:
    """How one program reports.

    Attributes:
        variable: the variable that says where to, which the gate takes; empty where there is none.
        form: what that variable holds: the address that paths are put behind (`BASE_URL`), or the
            whole of it (`WHOLE_URL`).
        upstream: where to if the variable does not say; empty if nowhere is known.
        headers: variables that hold headers to be sent along, as `NAME=value,NAME=value`; a program
            that speaks gRPC shows the gate's secret in one of them.
        transports: variables that say by what it reports. Where one says `grpc`, the address has no
            path: Go's SDK takes that for a part of the port.
        fields: what may leave of the properties and attributes, by key (see `redaction.Schema`).
        never: why some of the others do not, for the user to read.
        also: variables that are set along, each unless the user has set it.
        blocking: variables that block what cannot be held.
        levels: a variable that says how much is reported: what it says, and what it says under the
            gate. Unset is the empty text. What is not in the list is the program's to complain of.
        blocked: the channels that are blocked.
        own: variables by which a user sends to a place of their own; they are left as they are.
        forwarded: headers that go along to the upstream, in lower case, beside those that its
            protocol needs (`formats.headers`).
        duration_unit: what one of `duration` is, in nanoseconds.
        protocol: in which it reports, one of `PROTOCOLS`; empty where its requests tell.
        words: what the names of its events, statuses and libraries are made of, in lower case; no
            other name leaves. Without any, names go by their shapes (see `names`).
    """

    variable: str
    upstream: str = ""
    form: str = BASE_URL
    headers: "tuple[str, ...]" = ()
    transports: "tuple[str, ...]" = ()
    fields: "Mapping[str, Schema]" = {}  # noqa: RUF012  # never changed
    never: "Mapping[str, str]" = {}  # noqa: RUF012  # never changed
    also: "Mapping[str, str]" = {}  # noqa: RUF012  # never changed
    blocking: "Mapping[str, str]" = {}  # noqa: RUF012  # never changed
    levels: "Mapping[str, Mapping[str, str]]" = {}  # noqa: RUF012  # never changed
    blocked: "tuple[Blocked, ...]" = ()
    own: "tuple[str, ...]" = ()
    forwarded: "tuple[str, ...]" = ()
    duration_unit: int = 1_000_000
    protocol: str = ""
    words: frozenset[str] = frozenset()


_IDENTITY = "it says who you are"
_RUN = "an id of this run, which the event does not need"
_OPTION = "an option of the command"

CLOUDQUERY = Channels(
    variable="CQ_RUDDERSTACK_DATA_PLANE_URL",
    upstream="https://analytics-events.cloudquery.io",
    fields={
        "aborted_due_to_error": "boolean",
        "destination": "plugin",
        "destination_paths": ("plugin",),
        "duration": "count",
        "error": "error text",
        "errors": "count",
        "source": "plugin",
        "source_path": "plugin",
        "status": "name",
        "total_rows": "count",
        "warnings": "count",
    },
    never={
        "$groups": _IDENTITY,
        "accept_defaults": _OPTION,
        "invocation_uuid": _RUN,
        "spec_path": "a path on this machine",
        "sync_name": "a name that you chose",
        "sync_run_id": _RUN,
        "team": _IDENTITY,
        "userId": _IDENTITY,
        "user_email": _IDENTITY,
        "user_id": _IDENTITY,
    },
    # The releases that know the level heed it first. Not "1": within a session, a "1" is the
    # user's own no (see `consent.decision.environment_statements`).
    blocking={"CQ_NO_TELEMETRY": "T"},
    # `errors` leaves out what the gate can hold, and `all` has what it cannot.
    levels={
        "CQ_TELEMETRY_LEVEL": {
            "": "stats",
            "all": "stats",
            "stats": "stats",
            "errors": "none",
            "none": "none",
        }
    },
    blocked=(
        Blocked(
            "error reports (Sentry)",
            "their address cannot be changed, so they cannot be intercepted for review",
        ),
        Blocked(
            "the older usage statistics (gRPC)",
            "they are intercepted on Linux alone, and with the extra grpc",
            counted="CQ_ANALYTICS_HOST",
            call="/cloudquery.backend.analytics.Analytics/SendEvent",
            upstream="https://analyticsv1.cloudquery.io",
        ),
        Blocked(
            "all that the releases of 2021 and 2022 report",
            "its address cannot be changed, so it cannot be intercepted for review",
        ),
    ),
    own=("OTEL_ENDPOINT",),
    duration_unit=1,
    words=frozenset(
        {
            *("addon", "api", "auth", "cli", "cloudquery", "config", "connection", "destination"),
            *("download", "downloaded", "init", "install", "installed", "login", "logout"),
            *("migrate", "migration", "plugin", "plugins", "publish", "run", "source", "spec"),
            *("switch", "sync", "table", "tables", "team", "test", "transformer", "upgrade"),
            *("validate", "version"),
            *("aborted", "begin", "begun", "cancelled", "canceled", "completed", "end", "ended"),
            *("error", "errors", "failed", "failure", "finish", "finished", "ok", "other"),
            *("partial", "skipped", "start", "started", "stopped", "success", "successful"),
            *("succeeded", "timeout", "warning"),
            *("analytics", "go", "js", "python", "rudder", "sdk", "segment", "server"),
        }
    ),
)
