"""Write a payload: an OTLP/JSON `ExportTraceServiceRequest`, byte for byte what will be sent.

Ids in hex, 64-bit integers as strings, enums as numbers, lowerCamelCase, as the OTLP specification
has it (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding). On the hot path.
"""

from ..outbox import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Part = tuple[str, int, int, int, bool, Mapping[str, object]]
    """Name, index of the parent or -1, start, end (ns since 1970), if it failed, attributes."""

SCOPE = "cqtel"
HEADERS = {"Content-Type": "application/json", "User-Agent": "cqtel"}
"""What goes with a payload, beside what HTTP itself needs (Host, Content-Length)."""


def encode(resource: "Mapping[str, object]", parts: "Sequence[Part]", entropy: bytes) -> bytes:
    """Return the payload's bytes.

    Args:
        resource: attributes of the program; values are str, bool, int or a list of str.
        parts: the spans, the operation itself first.
        entropy: 16 random bytes for the trace and 8 for each span.
    """
    digits = entropy.hex()
    trace = digits[:32]
    ids = [digits[at : at + 16] for at in range(32, 32 + 16 * len(parts), 16)]
    spans = []
    for (name, parent, start, end, failed, attributes), own in zip(parts, ids, strict=True):
        within = f'"parentSpanId":"{ids[parent]}",' if parent >= 0 else ""
        said = f'"attributes":{_attributes(attributes)},' if attributes else ""
        spans.append(
            f'{{"traceId":"{trace}","spanId":"{own}",{within}"name":{quote(name)},"kind":1,'
            f'"startTimeUnixNano":"{start}","endTimeUnixNano":"{end}",'
            f'{said}"status":{{"code":{2 if failed else 1}}}}}'
        )
    return (
        f'{{"resourceSpans":[{{"resource":{{"attributes":{_attributes(resource)}}},'
        f'"scopeSpans":[{{"scope":{{"name":"{SCOPE}"}},"spans":[{",".join(spans)}]}}]}}]}}'
    ).encode("ascii")


def _attributes(attributes: "Mapping[str, object]") -> str:
    written = [f'{{"key":{quote(k)},"value":{_value(v)}}}' for k, v in attributes.items()]
    return f"[{','.join(written)}]"


def _value(value: object) -> str:
    if isinstance(value, str):
        return f'{{"stringValue":{quote(value)}}}'
    if isinstance(value, bool):
        return f'{{"boolValue":{"true" if value else "false"}}}'
    if isinstance(value, int):
        return f'{{"intValue":"{value}"}}'
    if isinstance(value, list):
        return f'{{"arrayValue":{{"values":[{",".join([_value(item) for item in value])}]}}}}'
    raise TypeError(f"no OTLP value for {type(value).__name__}")
