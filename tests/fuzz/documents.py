"""Documents of each protocol with canaries in them: whatever is planted must never come out."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any

from hypothesis import strategies as st

CANARY = "canary7"
ATTRIBUTE_KEYS = (
    *("service.name", "service.version", "exception.message", "exception.type", "host.name"),
    *("http.response.status_code", "service.instance.id", "process.command_line", "user.email"),
)
RUDDERSTACK_KEYS = (
    *("type", "messageId", "anonymousId", "userId", "event", "timestamp", "originalTimestamp"),
    *("sentAt", "context", "properties", "channel", "traits", "batch", "library", "name"),
    *("version", "status", "source", "destination", "destination_paths", "error", "duration"),
)
OTLP_KEYS = (
    *("resource", "attributes", "scopeSpans", "scope", "spans", "traceId", "spanId", "name"),
    *("parentSpanId", "kind", "startTimeUnixNano", "endTimeUnixNano", "events", "status", "code"),
    *("message", "scopeLogs", "logRecords", "body", "severityText", "timeUnixNano", "key", "value"),
    *("scopeMetrics", "metrics", "gauge", "dataPoints", "asInt", "unit", "sum", "histogram"),
    *("stringValue", "intValue", "arrayValue", "values", "kvlistValue", "links", "traceState"),
)


def _disguised(text: str) -> list[str]:
    return [
        text,
        text.upper(),
        f"{text}.internal",
        f"db-{text}.example.com",
        f"/home/{text}/spec.yml",
        f"{text}@example.com",
        f"sync {text}",
        f"cloudquery/{text}",
        f"1.2.3-{text}",
        f"STATUS_CODE_{text}",
        f"{text} " * 200,
        base64.b64encode(text.encode()).decode(),
        text.encode().hex(),
    ]


TEXTS = st.sampled_from(_disguised(CANARY))
ORDINARY = st.sampled_from(
    ["track", "sync_run_completed", "server", "analytics-go", "success", "1700000000000000000", ""]
)
SCALARS = (
    TEXTS
    | ORDINARY
    | st.integers(-(1 << 70), 1 << 70)
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False, allow_infinity=False)
)


def _tree(keys: tuple[str, ...]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(keys) | TEXTS
    return st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(names, inner, max_size=6)
            | st.lists(
                st.fixed_dictionaries(
                    {
                        "key": st.sampled_from(ATTRIBUTE_KEYS) | TEXTS,
                        "value": st.dictionaries(
                            st.sampled_from(("stringValue", "intValue", "arrayValue", "boolValue")),
                            inner,
                            max_size=2,
                        ),
                    }
                ),
                max_size=4,
            )
        ),
        max_leaves=25,
    )


def _members(shape: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=shape)


_RUDDERSTACK_TREE = _tree(RUDDERSTACK_KEYS)
_OTLP_TREE = _tree(OTLP_KEYS)

MESSAGES = _members(
    {
        **dict.fromkeys(RUDDERSTACK_KEYS, SCALARS),
        "properties": _members(dict.fromkeys(RUDDERSTACK_KEYS, SCALARS | _RUDDERSTACK_TREE)),
        "context": _members({"library": _members({"name": SCALARS, "version": SCALARS})}),
        "traits": _RUDDERSTACK_TREE,
    }
)
BATCHES = st.fixed_dictionaries({"batch": st.lists(MESSAGES | _RUDDERSTACK_TREE, max_size=4)})

_ANY_VALUE = st.dictionaries(
    st.sampled_from(("stringValue", "intValue", "boolValue", "doubleValue")), SCALARS, max_size=2
) | st.fixed_dictionaries(
    {
        "arrayValue": st.fixed_dictionaries(
            {"values": st.lists(st.fixed_dictionaries({"stringValue": SCALARS}), max_size=3)}
        )
    }
)
_ATTRIBUTES = st.lists(
    st.fixed_dictionaries(
        {"key": st.sampled_from(ATTRIBUTE_KEYS) | TEXTS, "value": _ANY_VALUE | _OTLP_TREE}
    ),
    max_size=5,
)
_SPAN = _members(
    {
        **dict.fromkeys(
            ("traceId", "spanId", "parentSpanId", "name", "kind", "traceState"), SCALARS
        ),
        **dict.fromkeys(("startTimeUnixNano", "endTimeUnixNano"), SCALARS),
        "attributes": _ATTRIBUTES,
        "status": _members({"code": SCALARS, "message": SCALARS}) | _OTLP_TREE,
        "events": st.lists(_members({"name": SCALARS, "attributes": _ATTRIBUTES}), max_size=2),
        "links": _OTLP_TREE,
    }
)
_RECORD = _members(
    {
        **dict.fromkeys(
            ("traceId", "spanId", "severityText", "timeUnixNano", "eventName"), SCALARS
        ),
        "body": _ANY_VALUE,
        "attributes": _ATTRIBUTES,
    }
)
_POINTS = _members(
    {
        "dataPoints": st.lists(
            _members({"asInt": SCALARS, "attributes": _ATTRIBUTES, "timeUnixNano": SCALARS}),
            max_size=2,
        )
    }
)
_METRIC = _members(
    {
        **dict.fromkeys(("name", "unit", "description"), SCALARS),
        **dict.fromkeys(("sum", "gauge", "histogram"), _POINTS | _OTLP_TREE),
    }
)


def _request(root: str, scopes: str, items: str, item: Any) -> st.SearchStrategy[Any]:
    scope = _members(
        {
            "scope": _members({"name": SCALARS, "version": SCALARS, "attributes": _ATTRIBUTES}),
            items: st.lists(item | _OTLP_TREE, max_size=3),
            "schemaUrl": TEXTS,
        }
    )
    resource = _members(
        {"resource": _members({"attributes": _ATTRIBUTES}), scopes: st.lists(scope, max_size=2)}
    )
    return st.fixed_dictionaries({root: st.lists(resource | _OTLP_TREE, max_size=2)})


REQUESTS = {
    "/v1/batch": BATCHES,
    "/v1/track": MESSAGES,
    "/v1/traces": _request("resourceSpans", "scopeSpans", "spans", _SPAN),
    "/v1/logs": _request("resourceLogs", "scopeLogs", "logRecords", _RECORD),
    "/v1/metrics": _request("resourceMetrics", "scopeMetrics", "metrics", _METRIC),
}
"""What programs post, by the path they post it to."""


def encoded(document: Any, encoding: str) -> bytes:
    """Return a document as a program posts it."""
    body = json.dumps(document).encode()
    if encoding == "gzip":
        return gzip.compress(body, 1, mtime=0)
    return zlib.compress(body) if encoding == "deflate" else body
