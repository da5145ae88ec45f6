"""What a finished operation says, as OTLP/JSON: no field that the catalogue does not allow."""

import os

from .. import preload
from ..catalogue import MAX_STRING_BYTES, ON_SPANS, allows
from ..consent import UNNAMED
from ..consent.decision import CI_VARIABLES, ON, boolean
from ..formats import quote
from ..opening import PROJECT_FOLDER
from ..outbox.writing import MAX_PAYLOAD_BYTES
from . import PLAIN, SCOPE, name_of, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..consent.decision import Decision
    from .telemetry import Attributes, Operation, Span

    Shapes = Mapping[str, Callable[[object], bool]]

_NONE: "Shapes" = {}


def encoded(
    operation: "Operation",
    decision: "Decision",
    environ: "Mapping[str, str]",
    own: "Shapes",
    *,
    create_cookie: bool = False,
) -> "tuple[bytes, int, list[str]]":
    """Return an operation's payload, and how many values and spans were left out of it.

    The keys of the attributes that were left out come last.

    Args:
        operation: one that has ended.
        decision: what may be recorded: by the catalogue version agreed to, and debug mode.
        environ: the variables that say whether this is CI.
        own: the program's own fields that may be recorded, each with its shape.
        create_cookie: whether to make an installation ID where there is none.
    """
    unknown: list[str] = []
    resource, unfit = _resource(operation, decision, environ, unknown, create_cookie=create_cookie)
    about = _attributes(resource)
    spans = operation.spans
    while True:
        keys = unknown.copy()
        written, unnamed = _spans(operation, spans, decision, own, keys)
        payload = (
            f'{{"resourceSpans":[{{"resource":{{"attributes":{about}}},'
            f'"scopeSpans":[{{"scope":{{"name":"{SCOPE}"}},"spans":[{written}]}}]}}]}}'
        ).encode("ascii")
        if len(payload) <= MAX_PAYLOAD_BYTES:
            cut = operation.unkept + len(operation.spans) - len(spans)
            return payload, len(keys) + unfit + unnamed + cut, keys
        spans = spans[: len(spans) // 2]


def _resource(
    operation: "Operation",
    decision: "Decision",
    environ: "Mapping[str, str]",
    left_out: "list[str]",
    *,
    create_cookie: bool,
) -> "tuple[Attributes, int]":
    """Return what is said of the program, and how many of its plugins do not fit."""
    telemetry = operation.telemetry
    plugins, unfit = _plugins(operation.project, telemetry.named)
    resource: Attributes = {
        "service.name": telemetry.application,
        "service.version": telemetry.version,
        "cloudquery.build_date": telemetry.build_date,
        "cloudquery.ci": any(
            [boolean(environ[name], otherwise=True) for name in environ if name in CI_VARIABLES]
        ),
        "cloudquery.debug": (decision.debug and has_error_text(operation.spans)) or None,
        "cloudquery.plugins": plugins or None,
    }
    if decision.state == ON:
        preload("consent/cookie_file")
        from ..consent.cookie_file import cookie_of

        state = operation.where[1] if operation.where else ""
        resource["service.instance.id"] = cookie_of(operation.project, state, create=create_cookie)
    return _allowed(resource, decision, _NONE, left_out, on_span=False), unfit


def has_error_text(spans: "Sequence[Span]") -> bool:
    """Tell whether any of these spans was marked as failed by an error with a text."""
    return any(["exception.message" in (span.attributes or ()) for span in spans])


def has_own(operation: "Operation", own: "Shapes") -> bool:
    """Tell whether a field of the program's own may be in an operation's payload."""
    return bool(own) and any(
        [key in own for span in operation.spans for key in span.attributes or ()]
    )


def _spans(
    operation: "Operation",
    spans: "Sequence[Span]",
    decision: "Decision",
    own: "Shapes",
    left_out: "list[str]",
) -> "tuple[str, int]":
    """Return these spans as JSON, and how many of them had a name that was left out."""
    digits = operation.telemetry.entropy(16 + 8 * len(spans)).hex()
    trace = digits[:32]
    ids: dict[int, str] = {}
    unnamed = 0
    written = []
    for at, span in enumerate(spans, 2):
        ids[id(span)] = identity = digits[16 * at : 16 * at + 16]
        within = values = ""
        code = 1
        if span.parent is not span:
            within = f'"parentSpanId":"{ids.get(id(span.parent), ids[id(operation)])}",'
        if span.attributes:
            code = 2 if span.failed else 1
            kept = _allowed(span.attributes, decision, own, left_out, on_span=True)
            values = f'"attributes":{_attributes(kept)},' if kept else ""
        name = name_of(span.name)
        if not name:
            name = UNNAMED
            unnamed += 1
        start = operation.began + span.start - operation.start
        # A span that a thread still runs ends with its operation.
        end = operation.began + max(span.end or operation.end, span.start) - operation.start
        written.append(
            f'{{"traceId":"{trace}","spanId":"{identity}",{within}"name":"{name}","kind":1,'
            f'"startTimeUnixNano":"{start}","endTimeUnixNano":"{end}",'
            f'{values}"status":{{"code":{code}}}}}'
        )
    return ",".join(written), unnamed


def _plugins(project: str, named: "Sequence[str]") -> "tuple[list[str], int]":
    """Return the installed plugins, and how many do not fit; where there are none, at no cost."""
    if not named and not os.access(f"{project}/{PROJECT_FOLDER}", os.F_OK):
        return [], 0
    preload("record/plugins")
    from .plugins import installed_plugins

    return installed_plugins(project, named)


def _allowed(
    attributes: "Attributes",
    decision: "Decision",
    own: "Shapes",
    left_out: "list[str]",
    *,
    on_span: bool,
) -> "Attributes":
    """Return what the catalogue and the contract allow; add the keys of the rest to `left_out`."""
    kept: Attributes = {}
    for key, value in attributes.items():
        if value is None:
            continue  # there was no value, so none is left out
        if key == "exception.message":
            if not decision.debug:
                continue
            value = _message(value)  # noqa: PLW2901
        bare = plain(value)
        if type(bare) in PLAIN and (
            own[key](bare)
            if key in own
            else (key in ON_SPANS) is on_span
            and allows(key, bare, decision.catalogue, debug=decision.debug)
        ):
            kept[key] = bare
        else:
            left_out.append(key)
    return kept


def _message(error: object) -> "str | None":
    """Return an error's text, cut to the bound; None if it has none to give."""
    try:
        text = str(error)
    except BaseException as problem:  # the program's own code, which may raise anything
        if type(problem) is KeyboardInterrupt:
            raise  # all but certainly the user's Ctrl+C
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
