"""The configuration of an OpenTelemetry Collector behind an edge, made from the catalogue.

Its allow-list is the catalogue's, so that it cannot drift, and covers every part of a span: whoever
gets around the edge meets the same list. It is for the contrib distribution, 0.165 or later. What
differs from machine to machine is read from its environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..catalogue import (
    CATALOGUE_VERSION,
    MAX_NAME,
    MAX_PLUGINS,
    MAX_STRING_BYTES,
    MAX_VERSION,
    ON_SPANS,
    RECORDED,
    is_boolean,
    is_class_name,
    is_cookie,
    is_date,
    is_exit_code,
    is_message,
    is_name,
    is_plugins,
    is_version,
)
from ..consent import UNNAMED
from ..record import SCOPE
from ..review.promises import COLLECTOR, FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..consent.contracts import Contract

    Shape = Callable[[object], bool]

ADDRESS_HASH = "cloudquery.address_hash"
"""What stands in place of `cloudquery.ip_sha1` where the hash is an HMAC of the day."""

INSTALLATION = "cloudquery.installation"
"""What stands in place of `service.instance.id`: the SHA-256 of the cookie, never the cookie."""
COOKIE = "service.instance.id"


# The catalogue's shapes as regular expressions (RE2), and what is not one as conditions of OTTL.
_NAME = f"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME - 1}}}"
_VERSION = (
    f"(?:[0-9][A-Za-z0-9.+-]{{0,{MAX_VERSION - 1}}}|v[0-9][A-Za-z0-9.+-]{{0,{MAX_VERSION - 2}}})"
)
PLUGIN_SHAPE = f"(?:source|destination|transformer|provider)/{_NAME}/{_NAME}@{_VERSION}"
SHAPES: dict[Callable[[object], bool], str] = {
    is_name: _NAME,
    is_version: _VERSION,
    is_date: "[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?",
    is_cookie: "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    is_class_name: f"[A-Za-z0-9_][A-Za-z0-9_.]{{0,{MAX_NAME * 2 - 1}}}",
}
"""Of those texts of the catalogue that have one."""
PLUGINS_SHAPE = f'\\[(?:"{PLUGIN_SHAPE}"(?:,"{PLUGIN_SHAPE}")*)?\\]'
"""Of a list of plugins, written as JSON."""
DERIVED_SHAPES = {
    "cloudquery.ip_sha1": "[0-9a-f]{40}",
    ADDRESS_HASH: "[0-9a-f]{64}",
    INSTALLATION: "[0-9a-f]{64}",
    "geo.country.iso_code": "[A-Z]{2}",
    # No digit, so that no address passes as the name of a place.
    "geo.region.name": r"[\pL\pM '\x{2019}.,()/-]{1,100}",
    "geo.locality.name": r"[\pL\pM '\x{2019}.,()/-]{1,100}",
}
"""Of what an edge has derived."""


def allowed_keys(contracts: Sequence[Contract] = ()) -> tuple[str, ...]:
    """Return the keys of all attributes that may be stored, in the catalogue's order."""
    own = (field.key for contract in contracts for field in contract.fields)
    return (*_keys(on_span=False), *_keys(on_span=True), *own)


def configuration(contracts: Sequence[Contract] = ()) -> str:
    """Return the configuration as YAML.

    Args:
        contracts: of programs whose own fields are taken, too.
    """
    return _CONFIGURATION.format(
        catalogue=CATALOGUE_VERSION,
        keys=_listed(allowed_keys(contracts), 6),
        resource=_quoted(_resource_statements()),
        scope=_quoted(_scope_statements()),
        span=_quoted(_span_statements(contracts)),
    )


def _keys(*, on_span: bool) -> list[str]:
    keys = [key for key in RECORDED if (key in ON_SPANS) is on_span and key != COOKIE]
    if not on_span:
        keys += [field.key for field in FIELDS if field.where == COLLECTOR]
        keys += [ADDRESS_HASH, INSTALLATION]
    return keys


def _resource_statements() -> Iterator[str]:
    yield f"keep_keys(resource.attributes, {_array(_keys(on_span=False))})"
    yield from _each_key_once("resource")
    for key in _keys(on_span=False):
        yield from _only_in_shape("resource", key)
    yield "set(resource.dropped_attributes_count, 0)"
    yield 'set(resource.schema_url, "")'


def _scope_statements() -> Iterator[str]:
    yield f'set(scope.name, "{SCOPE}")'
    yield 'set(scope.version, "")'
    yield "keep_keys(scope.attributes, [])"
    yield "set(scope.dropped_attributes_count, 0)"
    yield 'set(scope.schema_url, "")'


def _span_statements(contracts: Sequence[Contract]) -> Iterator[str]:
    own = [field.key for contract in contracts for field in contract.fields]
    yield f"keep_keys(span.attributes, {_array([*_keys(on_span=True), *own])})"
    yield from _each_key_once("span")
    for contract in contracts:
        for field in contract.fields:
            yield from _only_in_shape("span", field.key, field.shape.accepts)
            yield (
                f'delete_key(span.attributes, "{field.key}")'
                f' where resource.attributes["service.name"] != "{contract.program}"'
            )
    for key in _keys(on_span=True):
        yield from _only_in_shape("span", key)
        if RECORDED[key][2]:
            yield (
                f'delete_key(span.attributes, "{key}")'
                ' where resource.attributes["cloudquery.debug"] != true'
            )
    yield f'set(span.name, "{UNNAMED}") where not IsMatch(span.name, "^{SHAPES[is_name]}$")'
    yield "set(span.kind, SPAN_KIND_INTERNAL)"
    yield 'set(span.status.message, "")'
    yield 'set(span.trace_state, "")'
    yield "set(span.dropped_attributes_count, 0)"
    yield "set(span.dropped_events_count, 0)"
    yield "set(span.dropped_links_count, 0)"


def _each_key_once(place: str) -> Iterator[str]:
    """Yield what removes all but the last value of each key: a condition sees the first alone."""
    yield f'merge_maps({place}.cache, {place}.attributes, "upsert")'
    yield f"set({place}.attributes, {place}.cache)"


def _only_in_shape(place: str, key: str, accepts: Shape | None = None) -> Iterator[str]:
    """Yield what removes an attribute whose value the catalogue, or a contract, does not allow."""
    path = f'{place}.attributes["{key}"]'
    for wrong in _wrong(path, key, accepts or (RECORDED[key][0] if key in RECORDED else None)):
        yield f'delete_key({place}.attributes, "{key}") where {path} != nil and {wrong}'


def _wrong(path: str, key: str, accepts: Shape | None) -> Iterator[str]:
    shape = DERIVED_SHAPES.get(key) or (SHAPES.get(accepts) if accepts else None)
    if shape is not None:
        yield f"not IsString({path})"
        yield f'not IsMatch({path}, "^{_escaped(shape)}$")'
    elif accepts is is_boolean:
        yield f"not IsBool({path})"
    elif accepts is is_exit_code:
        yield f"not IsInt({path})"
        yield f"({path} < 0 or {path} > 255)"
    elif accepts is is_message:
        yield f"not IsString({path})"
        yield f"Len({path}) > {MAX_STRING_BYTES}"
    elif accepts is is_plugins:
        yield f"not IsList({path})"
        yield f"Len({path}) > {MAX_PLUGINS}"
        yield f'not IsMatch(String({path}), "^{_escaped(PLUGINS_SHAPE)}$")'
    else:
        raise AssertionError(f"{key} has a shape that is not configured for the engine")


def _escaped(shape: str) -> str:
    """Write a regular expression within a text of OTTL."""
    return shape.replace("\\", "\\\\").replace('"', '\\"')


def _array(keys: list[str]) -> str:
    return "[" + ", ".join(f'"{key}"' for key in keys) + "]"


def _listed(items: Iterator[str] | tuple[str, ...], indent: int) -> str:
    return "\n".join(f"{' ' * indent}- {item}" for item in items)


def _quoted(statements: Iterator[str]) -> str:
    """Write statements as YAML's literal texts; two dollars are one to the engine."""
    texts = (statement.replace("'", "''").replace("$", "$$") for statement in statements)
    return _listed((f"'{text}'" for text in texts), 10)


_CONFIGURATION = """\
# An OpenTelemetry Collector (contrib, 0.165 or later) behind `cq-telemetry collector --forward`.
# Made by `cq-telemetry collector engine-config` from catalogue {catalogue}; make it anew with each.
#
# The edge answers its clients only after this has answered, and this answers once a payload is in
# the queue on disk: what was acknowledged is delivered at least once, whatever is killed. That is
# why batches are made behind the queue. A `batch` processor before it would answer for what is
# in memory alone.

extensions:
  file_storage:
    directory: ${{env:CQTEL_QUEUE_DIR:-/var/lib/otelcol/cqtel}}
    create_directory: true
    fsync: true
    compaction:
      on_start: true
      on_rebound: true
      # A queue that was long, and is short again, gives back its room.
      rebound_needed_threshold_mib: 16
      rebound_trigger_threshold_mib: 4
      directory: ${{env:CQTEL_QUEUE_DIR:-/var/lib/otelcol/cqtel}}
      cleanup_on_start: true

receivers:
  otlp:
    protocols:
      http:
        # Edges alone must reach it: no header of theirs is kept (include_metadata is false).
        endpoint: ${{env:CQTEL_ENGINE_LISTEN:-127.0.0.1:4319}}
  # ClickHouse is fed from Kafka alone, so that what waits for one of them is stored only once. What
  # was read is marked once it is written: while ClickHouse is down it stays in Kafka, and is tried
  # again.
  # What can never be read is counted (otelcol_kafka_receiver_unmarshal_failed_spans) and passed
  # over; it stays in Kafka as well.
  kafka:
    brokers:
      - ${{env:CQTEL_KAFKA_BROKER:-127.0.0.1:9092}}
    group_id: cqtel_clickhouse
    initial_offset: earliest
    traces:
      topics:
        - ${{env:CQTEL_KAFKA_TOPIC:-cqtel_spans}}
      encoding: otlp_proto
    message_marking:
      after: true
      on_error: false
      on_permanent_error: true
    error_backoff:
      enabled: true
      initial_interval: 1s
      max_interval: 30s
      max_elapsed_time: 0s

processors:
  memory_limiter:
    check_interval: 1s
    limit_mib: 1024
    spike_limit_mib: 256
  redaction:
    # The edge has left out all else already. This applies to whoever bypasses it.
    allow_all_keys: false
    allowed_keys:
{keys}
    # Not even the names of what was removed.
    summary: silent
  # What is not an attribute, and what values attributes may have.
  transform:
    error_mode: propagate
    trace_statements:
      - statements:
{resource}
      - statements:
{scope}
      - statements:
{span}
  # Edges send neither; without a program a span means nothing.
  filter:
    error_mode: propagate
    traces:
      span:
        - 'Len(span.links) > 0'
        - 'resource.attributes["service.name"] == nil'
      spanevent:
        - 'true'

exporters:
  kafka:
    brokers:
      - ${{env:CQTEL_KAFKA_BROKER:-127.0.0.1:9092}}
    traces:
      topic: ${{env:CQTEL_KAFKA_TOPIC:-cqtel_spans}}
      encoding: otlp_proto
    producer:
      required_acks: -1
      compression: zstd
    retry_on_failure:
      max_elapsed_time: 0s
    sending_queue:
      storage: file_storage
      sizer: bytes
      queue_size: 4294967296
      batch:
        sizer: bytes
        flush_timeout: 1s
        min_size: 262144
        max_size: 786432
  clickhouse:
    endpoint: ${{env:CQTEL_CLICKHOUSE:-tcp://127.0.0.1:9000}}
    username: ${{env:CQTEL_CLICKHOUSE_USER:-default}}
    password: ${{env:CQTEL_CLICKHOUSE_PASSWORD:-}}
    database: ${{env:CQTEL_CLICKHOUSE_DATABASE:-cqtel}}
    compress: ${{env:CQTEL_CLICKHOUSE_COMPRESS:-lz4}}
    # An answer means that it is written, and not that it waits on the server.
    async_insert: false
    # The tables are those of `cq-telemetry collector clickhouse schema`, retention and all: if this
    # engine made them, it would not start while ClickHouse is down.
    create_schema: false
    # Kafka is the queue, and its records are the batches.
    retry_on_failure:
      enabled: false
    sending_queue:
      enabled: false

service:
  extensions: [file_storage]
  pipelines:
    traces/edges:
      receivers: [otlp]
      processors: [memory_limiter, redaction, transform, filter]
      exporters: [kafka]
    # Whoever writes to the topic around the engine meets the same list.
    traces/kafka:
      receivers: [kafka]
      processors: [memory_limiter, redaction, transform, filter]
      exporters: [clickhouse]
"""
