"""Read from ClickHouse what `figures` reads from a store: the same groups of the same payloads."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .durations import GROWTH
from .figures import DAY, Figures, Group
from .kinds import (
    CI,
    COUNTRY,
    FIELD,
    FIELD_VALUE,
    OPERATION,
    PROGRAM,
    PROVIDER,
    PROVIDER_VERSION,
    SPAN,
    TOTAL,
    VERSION,
)

if TYPE_CHECKING:
    from .clickhouse_asking import ClickHouse

_IS_OPERATION, _IS_PART = "parent_id = ''", "parent_id != ''"
_GROUPS = {
    TOTAL: ("array()", _IS_OPERATION, ""),
    DAY: ("[toString(of_day)]", _IS_OPERATION, ""),
    OPERATION: ("[toString(program), toString(name)]", _IS_OPERATION, ""),
    SPAN: ("[toString(program), toString(name)]", _IS_PART, ""),
    VERSION: ("[toString(program), toString(version)]", _IS_OPERATION, ""),
    CI: ("[multiIf(isNull(ci), '', ci = true, 'yes', 'no')]", _IS_OPERATION, ""),
    COUNTRY: ("[toString(country)]", _IS_OPERATION, ""),
    PROGRAM: ("[toString(program)]", _IS_OPERATION, ""),
    FIELD: ("[toString(program), toString(key)]", "true", "ARRAY JOIN mapKeys(own) AS key"),
    FIELD_VALUE: (
        "[toString(program), toString(key), value]",
        "true",
        "ARRAY JOIN mapKeys(own) AS key, mapValues(own) AS value",
    ),
    PROVIDER: (
        "[provider]",
        _IS_OPERATION,
        (
            "ARRAY JOIN arrayDistinct(arrayMap(one -> substringIndex(one, '@', 1), plugins))"
            " AS provider"
        ),
    ),
    PROVIDER_VERSION: (
        "[substringIndex(plugin, '@', 1), substring(plugin, position(plugin, '@') + 1)]",
        _IS_OPERATION,
        "ARRAY JOIN arrayDistinct(plugins) AS plugin",
    ),
}
"""By what each kind groups, which rows it has, and what each of these comes to."""
_TIMED = (OPERATION, SPAN)

# An operation counts for the day on which it began, and so do its parts; a day that is still to
# come is this one.
_QUERY = """
SELECT {of} AS of, toInt64(count()) AS spans, toInt64(countIf(failed)) AS failures,
    toInt64(uniqExact(who)) AS installations, groupUniqArray({{k:UInt32}})(sipHash64(who)) AS few,
    {buckets} AS buckets
FROM (
    SELECT *, if(installation = '', address_hash, installation) AS who,
        least(day, {{until:Date}}) AS of_day
    FROM {{database}}.spans FINAL WHERE day >= {{since:Date}} AND {which}
) {joined}
GROUP BY of
"""
_BUCKETS = f"""
    sumMap([if(duration = 0, 0, 1 + toInt64(ceil(log(duration) / {math.log(GROWTH)!r})))],
        [toInt64(1)])
"""


def read_figures(clickhouse: ClickHouse, since: str, until: str, k: int) -> Figures:
    """Read all groups of a period; of those below `k`, who they are.

    Args:
        clickhouse: where they are.
        since: the first day, as ISO 8601.
        until: the last day.
        k: the least installations of a row.

    Raises:
        StoreError: ClickHouse does not answer, or refuses a query.
    """
    groups = {
        kind: [
            _group(row, k)
            for row in clickhouse.rows(_query(kind), since=since, until=until, k=k)
            if row[1]
        ]
        for kind in _GROUPS
    }
    groups[DAY].sort(key=lambda group: group.of)
    (total,) = groups.pop(TOTAL) or [Group((), 0, 0, 0)]
    return Figures(total, groups)


def _query(kind: str) -> str:
    of, which, joined = _GROUPS[kind]
    buckets = _BUCKETS if kind in _TIMED else "tuple([], [])"
    query = _QUERY.format(of=of, which=which, joined=joined, buckets=buckets)
    return query if of != "array()" else query.replace("GROUP BY of", "")


def _group(row: Any, k: int) -> Group:
    of, count, failed, installations, few, (numbers, counts) = row
    return Group(
        of=tuple(of),
        count=count,
        failed=failed,
        installations=installations,
        who=frozenset(few) if installations < k else frozenset(),
        buckets=dict(zip(numbers, counts, strict=True)),
    )
