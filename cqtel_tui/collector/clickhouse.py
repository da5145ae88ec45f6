"""The tables of ClickHouse behind the edges, made from the settings and by nothing else.

The exporter of an OpenTelemetry Collector inserts into `otel_traces`, as it has it (0.161), which
keeps nothing: what is kept is in typed columns, and no error text for longer than it may be. A span
that was delivered twice is one row: rows of one trace and span id replace each other. What comes
of a cookie that was erased is dropped where it would be kept, however late it comes. What does not
fit into these columns is no reason to take nothing of what came with it: it is in `dead_letters`.
So is what has a time that no edge accepts: a record of more days or months than one insert may
write would be refused again and again, and nothing behind it would be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .allowing import AHEAD_DAYS, OLDEST_DAYS
from .engine import ADDRESS_HASH, INSTALLATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..consent.contracts import Contract

VERSION = 4
"""The version of these tables, in the comment of each; it rises with every change."""
ON_ITS_WAY_DAYS = 30
"""How long a payload may be in the queues of an engine, and in Kafka, before it arrives."""
OLDEST_DAYS_HERE = OLDEST_DAYS + ON_ITS_WAY_DAYS
"""How long ago a span may have begun: fewer days than an insert may have partitions (100)."""
_AHEAD_DAYS_HERE = AHEAD_DAYS + 1  # the clock here may be behind that of an edge
_DAY = 86_400 * 10**9  # nanoseconds


def schema(
    *,
    database: str,
    retention_days: int,
    error_days: int,
    oldest_days: int = OLDEST_DAYS_HERE,
    contracts: Sequence[Contract] = (),
) -> str:
    """Return the statements that make the tables, each ended by a semicolon.

    Args:
        database: its name, which is made as well.
        retention_days: how long spans are kept.
        error_days: how long error texts are kept.
        oldest_days: how long ago a span may have begun that is kept.
        contracts: of programs whose own fields are kept, too.
    """
    names = {"database": f"`{database}`", "installation": INSTALLATION}
    fits = _FITS.format(
        oldest_days=oldest_days,
        ahead_days=_AHEAD_DAYS_HERE,
        longest=(oldest_days + _AHEAD_DAYS_HERE) * _DAY,
    )
    where = {"fits": fits, "stays": _STAYS.format(**names)}
    own = [
        f"('{contract.program}', '{field.key}')"
        for contract in contracts
        for field in contract.fields
    ]
    to_spans = _TO_SPANS.format(
        **names, **where, address_hash=ADDRESS_HASH, own=", ".join(own or ["('', '')"])
    )
    return _SCHEMA.format(
        **names,
        to_spans=to_spans,
        to_errors=_TO_ERRORS.format(**names, **where),
        to_dead_letters=_TO_DEAD_LETTERS.format(**names, **where),
        retention_days=retention_days,
        error_days=error_days,
        on_its_way_days=ON_ITS_WAY_DAYS,
        comment=f"cqtel schema {VERSION}",
    )


_FITS = (
    "(length(TraceId) = 32 AND length(SpanId) = 16 AND ServiceName != ''"
    " AND Timestamp >= now64(9) - INTERVAL {oldest_days} DAY"
    " AND Timestamp <= now64(9) + INTERVAL {ahead_days} DAY AND Duration <= {longest})"
)
_STAYS = (
    "ResourceAttributes['{installation}'] NOT IN"
    " (SELECT toString(installation) FROM {database}.erased)"
)
_TO_SPANS = """\
SELECT
    toDate(Timestamp, 'UTC') AS day,
    toTimeZone(Timestamp, 'UTC') AS started,
    Duration AS duration,
    TraceId AS trace_id,
    SpanId AS span_id,
    ParentSpanId AS parent_id,
    ServiceName AS program,
    SpanName AS name,
    ResourceAttributes['service.version'] AS version,
    ResourceAttributes['cloudquery.build_date'] AS build_date,
    if(ResourceAttributes['cloudquery.ci'] = '', NULL,
        ResourceAttributes['cloudquery.ci'] = 'true') AS ci,
    JSONExtract(ResourceAttributes['cloudquery.plugins'], 'Array(String)') AS plugins,
    ResourceAttributes['{installation}'] AS installation,
    if(ResourceAttributes['cloudquery.ip_sha1'] != '', ResourceAttributes['cloudquery.ip_sha1'],
        ResourceAttributes['{address_hash}']) AS address_hash,
    ResourceAttributes['geo.country.iso_code'] AS country,
    ResourceAttributes['geo.region.name'] AS region,
    ResourceAttributes['geo.locality.name'] AS city,
    StatusCode = 'Error' AS failed,
    toUInt8OrNull(SpanAttributes['process.exit.code']) AS exit_code,
    SpanAttributes['error.type'] AS error_type,
    mapFilter((key, value) -> (ServiceName, key) IN ({own}), SpanAttributes) AS own
FROM {database}.otel_traces
WHERE {fits} AND {stays}"""
_TO_ERRORS = """\
SELECT
    toDate(Timestamp, 'UTC') AS day,
    TraceId AS trace_id,
    SpanId AS span_id,
    ResourceAttributes['{installation}'] AS installation,
    SpanAttributes['exception.message'] AS text
FROM {database}.otel_traces
WHERE SpanAttributes['exception.message'] != '' AND {fits} AND {stays}"""
_TO_DEAD_LETTERS = """\
SELECT
    today() AS day,
    TraceId AS trace_id,
    SpanId AS span_id,
    ServiceName AS program,
    SpanName AS name,
    ResourceAttributes['{installation}'] AS installation
FROM {database}.otel_traces
WHERE NOT {fits} AND {stays}"""
_SCHEMA = """\
CREATE DATABASE IF NOT EXISTS {database};

CREATE TABLE IF NOT EXISTS {database}.otel_traces (
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    TraceState String,
    SpanName LowCardinality(String),
    SpanKind LowCardinality(String),
    ServiceName LowCardinality(String),
    ResourceAttributes Map(LowCardinality(String), String),
    ScopeName String,
    ScopeVersion String,
    SpanAttributes Map(LowCardinality(String), String),
    Duration UInt64,
    StatusCode LowCardinality(String),
    StatusMessage String,
    Events Nested (
        Timestamp DateTime64(9),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ),
    Links Nested (
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    )
) ENGINE = Null COMMENT '{comment}';

CREATE TABLE IF NOT EXISTS {database}.spans (
    day Date,
    started DateTime64(9, 'UTC'),
    duration UInt64 COMMENT 'nanoseconds',
    trace_id FixedString(32),
    span_id FixedString(16),
    parent_id String COMMENT 'empty: the operation itself',
    program LowCardinality(String),
    name LowCardinality(String),
    version LowCardinality(String),
    build_date LowCardinality(String),
    ci Nullable(Bool),
    plugins Array(LowCardinality(String)),
    installation String COMMENT 'SHA-256 of the cookie, empty if there was none',
    address_hash String COMMENT 'SHA-1, or HMAC-SHA-256 of the day',
    country LowCardinality(String),
    region LowCardinality(String),
    city LowCardinality(String),
    failed Bool,
    exit_code Nullable(UInt8),
    error_type LowCardinality(String),
    own Map(LowCardinality(String), String) COMMENT 'the fields of its own that its contract has',
    INDEX of_installation installation TYPE bloom_filter GRANULARITY 1
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (trace_id, span_id)
TTL day + INTERVAL {retention_days} DAY
SETTINGS old_parts_lifetime = 60
COMMENT '{comment}';

ALTER TABLE {database}.spans ADD COLUMN IF NOT EXISTS
    own Map(LowCardinality(String), String) COMMENT 'the fields of its own that its contract has';

CREATE TABLE IF NOT EXISTS {database}.errors (
    day Date,
    trace_id FixedString(32),
    span_id FixedString(16),
    installation String,
    text String,
    INDEX of_installation installation TYPE bloom_filter GRANULARITY 1
) ENGINE = ReplacingMergeTree
PARTITION BY day
ORDER BY (trace_id, span_id)
TTL day + INTERVAL {error_days} DAY
SETTINGS ttl_only_drop_parts = 1, old_parts_lifetime = 60
COMMENT '{comment}';

CREATE TABLE IF NOT EXISTS {database}.erased (
    installation FixedString(64) COMMENT 'SHA-256 of a cookie that was erased',
    had_data Bool COMMENT 'no: it stays for as long as data may be on its way',
    erased_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(erased_at)
ORDER BY installation
TTL toDateTime(erased_at) + INTERVAL {on_its_way_days} DAY WHERE NOT had_data
COMMENT '{comment}';

CREATE TABLE IF NOT EXISTS {database}.dead_letters (
    day Date,
    trace_id String,
    span_id String,
    program String,
    name String,
    installation String,
    INDEX of_installation installation TYPE bloom_filter GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY day
ORDER BY day
TTL day + INTERVAL {on_its_way_days} DAY
SETTINGS ttl_only_drop_parts = 1, old_parts_lifetime = 60
COMMENT '{comment}';

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.to_spans TO {database}.spans AS
{to_spans};

ALTER TABLE {database}.to_spans MODIFY QUERY
{to_spans};

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.to_errors TO {database}.errors AS
{to_errors};

ALTER TABLE {database}.to_errors MODIFY QUERY
{to_errors};

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.to_dead_letters TO {database}.dead_letters AS
{to_dead_letters};

ALTER TABLE {database}.to_dead_letters MODIFY QUERY
{to_dead_letters};

ALTER TABLE {database}.otel_traces MODIFY COMMENT '{comment}';
ALTER TABLE {database}.spans MODIFY COMMENT '{comment}';
ALTER TABLE {database}.errors MODIFY COMMENT '{comment}';
ALTER TABLE {database}.erased MODIFY COMMENT '{comment}';
ALTER TABLE {database}.dead_letters MODIFY COMMENT '{comment}';
"""
