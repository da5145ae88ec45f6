"""Write arrivals as OTLP for what stands behind an edge: the digest of a cookie in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from .arrivals import digest_of
from .engine import ADDRESS_HASH, INSTALLATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

    from .arrivals import Arrival, ArrivedSpan

    _Attributes = RepeatedCompositeFieldContainer[KeyValue]

_SHA1_DIGITS = 40


def encode(arrivals: Sequence[Arrival]) -> bytes:
    """Return arrivals as an OTLP `ExportTraceServiceRequest` in protobuf."""
    request = ExportTraceServiceRequest()
    for arrival in arrivals:
        resource = request.resource_spans.add()
        _describe(resource.resource.attributes, arrival)
        scope = resource.scope_spans.add()
        scope.scope.name = "cqtel"
        for span in arrival.spans:
            _fill(scope.spans.add(), span)
    return request.SerializeToString()


def _describe(attributes: _Attributes, arrival: Arrival) -> None:
    """Say of a resource what is known of a program and of where it ran."""
    origin = arrival.origin
    is_sha1 = len(origin.address_hash) == _SHA1_DIGITS
    for key, text in (
        ("service.name", arrival.app),
        ("service.version", arrival.version),
        ("cloudquery.build_date", arrival.build_date),
        (INSTALLATION, None if arrival.cookie is None else digest_of(arrival.cookie).hex()),
        ("cloudquery.ip_sha1" if is_sha1 else ADDRESS_HASH, origin.address_hash),
        ("geo.country.iso_code", origin.country),
        ("geo.region.name", origin.region),
        ("geo.locality.name", origin.city),
    ):
        if text is not None:
            attributes.add(key=key).value.string_value = text
    if arrival.ci is not None:
        attributes.add(key="cloudquery.ci").value.bool_value = arrival.ci
    if arrival.plugins:
        plugins = attributes.add(key="cloudquery.plugins").value.array_value
        for plugin in arrival.plugins:
            plugins.values.add(string_value=plugin)
    if any(span.message is not None for span in arrival.spans):
        attributes.add(key="cloudquery.debug").value.bool_value = True


def _fill(message: Span, span: ArrivedSpan) -> None:
    message.trace_id = span.trace_id
    message.span_id = span.span_id
    message.parent_span_id = span.parent_id
    message.name = span.name
    message.kind = Span.SPAN_KIND_INTERNAL
    message.start_time_unix_nano = span.started
    message.end_time_unix_nano = span.started + span.duration
    message.status.code = Status.STATUS_CODE_ERROR if span.failed else Status.STATUS_CODE_OK
    if span.exit_code is not None:
        message.attributes.add(key="process.exit.code").value.int_value = span.exit_code
    if span.error_type is not None:
        message.attributes.add(key="error.type").value.string_value = span.error_type
    if span.message is not None:
        message.attributes.add(key="exception.message").value.string_value = span.message
    for key, value in span.own:
        _write(message.attributes.add(key=key).value, value)


def _write(value: AnyValue, own: object) -> None:
    """Write the value of a field of a program's own, of the shapes that a contract can have."""
    if isinstance(own, bool):
        value.bool_value = own
    elif isinstance(own, int):
        value.int_value = own
    elif isinstance(own, tuple):
        for text in own:
            value.array_value.values.add(string_value=text)
    else:
        value.string_value = str(own)
