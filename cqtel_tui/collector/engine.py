"""The configuration of an OpenTelemetry Collector behind an edge, made from the catalogue.

Its allow-list is the catalogue's, so that it cannot drift. It is for the contrib distribution,
0.130 or later. What differs from machine to machine is read from its environment.
"""

from __future__ import annotations

from ..catalogue import CATALOGUE_VERSION
from ..review.promises import COLLECTOR, FIELDS, RESOURCE, SPAN
from .settings import RETENTION_DAYS

ADDRESS_HASH = "cloudquery.address_hash"
"""What stands in place of `cloudquery.ip_sha1` where the hash is an HMAC of the day."""

_HOURS = 24
_INDENT = " " * 6


def allowed_keys() -> tuple[str, ...]:
    """Return the keys of all attributes that may be stored, in the catalogue's order."""
    places = {RESOURCE, SPAN, COLLECTOR}
    return (*(field.key for field in FIELDS if field.where in places), ADDRESS_HASH)


def configuration(retention_days: int = RETENTION_DAYS) -> str:
    """Return the configuration as YAML.

    Args:
        retention_days: how long ClickHouse keeps a span.
    """
    return _CONFIGURATION.format(
        catalogue=CATALOGUE_VERSION,
        keys="\n".join(f"{_INDENT}- {key}" for key in allowed_keys()),
        hours=retention_days * _HOURS,
    )


_CONFIGURATION = """\
# An OpenTelemetry Collector (contrib, 0.130 or later) behind `cq-telemetry collector --forward`.
# Made by `cq-telemetry collector engine-config` from catalogue {catalogue}; make it anew with each.
#
# The edge answers its clients only after this has answered, and this answers once a payload is in
# the queues on disk: what was acknowledged is delivered at least once, whatever is killed. That is
# why batches are made behind the queues. A `batch` processor before them would answer for what is
# in memory alone.

extensions:
  file_storage:
    directory: ${{env:CQTEL_QUEUE_DIR:-/var/lib/otelcol/cqtel}}
    create_directory: true
    fsync: true
    compaction:
      on_start: true
      on_rebound: true
      directory: ${{env:CQTEL_QUEUE_DIR:-/var/lib/otelcol/cqtel}}
      cleanup_on_start: true

receivers:
  otlp:
    protocols:
      http:
        # Edges alone must reach it: no header of theirs is kept (include_metadata is false).
        endpoint: ${{env:CQTEL_ENGINE_LISTEN:-127.0.0.1:4319}}

processors:
  memory_limiter:
    check_interval: 1s
    limit_mib: 1024
    spike_limit_mib: 256
  redaction:
    # The edge has left out all else already. This holds for whoever gets around it.
    allow_all_keys: false
    allowed_keys:
{keys}
    # Not even the names of what was removed.
    summary: silent

exporters:
  kafka:
    brokers:
      - ${{env:CQTEL_KAFKA_BROKER:-127.0.0.1:9092}}
    traces:
      topic: ${{env:CQTEL_KAFKA_TOPIC:-cqtel_spans}}
      encoding: otlp_proto
    partition_traces_by_id: true
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
    # An answer means that it is written, and not that it waits on the server.
    async_insert: false
    # The retention of spans. Error texts are to go earlier: see the README.
    ttl: {hours}h
    retry_on_failure:
      max_elapsed_time: 0s
    sending_queue:
      storage: file_storage
      sizer: bytes
      queue_size: 4294967296
      batch:
        sizer: items
        flush_timeout: 5s
        min_size: 8192

service:
  extensions: [file_storage]
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter, redaction]
      exporters: [kafka, clickhouse]
"""
