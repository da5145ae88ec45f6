"""The fields of Snowplow's tracker protocol, as `readers.read_snowplow` opens them.

https://docs.snowplow.io/docs/events/going-deeper/http-requests/. What a self-describing event and
a context hold are the program's own properties.
"""

from __future__ import annotations

from .fields import COUNT, EVENT, ID, NAME, ONE_OF, PROPERTIES, SCHEMA, Field, message

PAYLOAD_DATA = "iglu:com.snowplowanalytics.snowplow/payload_data/"
"""How the schema's name of every posted body begins."""

_SCHEMA = Field(SCHEMA, "snowplow.schema")
_DATA = {"schema": _SCHEMA, "data": Field(PROPERTIES, "snowplow.data")}
_SELF_DESCRIBING = message({"schema": _SCHEMA, "data": message(_DATA)})
_CONTEXTS = message({"schema": _SCHEMA, "data": message(_DATA, is_list=True)})
_KINDS = frozenset({"pp", "pv", "se", "ti", "tr", "ue"})
_PLATFORMS = frozenset({"app", "cnsl", "iot", "mob", "pc", "srv", "tv", "web"})
_EVENT = {
    "e": Field(ONE_OF, "snowplow.e", options=_KINDS),
    "se_ca": Field(EVENT, "snowplow.se_ca"),
    "se_ac": Field(EVENT, "snowplow.se_ac", is_operation=True),
    "ue_px": _SELF_DESCRIBING,
    "ue_pr": _SELF_DESCRIBING,
    "cx": _CONTEXTS,
    "co": _CONTEXTS,
    "aid": Field(NAME, "snowplow.aid"),
    "p": Field(ONE_OF, "snowplow.p", options=_PLATFORMS),
    "tna": Field(NAME, "snowplow.tna"),
    "tv": Field(NAME, "snowplow.tv"),
    "dtm": Field(COUNT, "snowplow.dtm"),
    "stm": Field(COUNT, "snowplow.stm"),
    "ttm": Field(COUNT, "snowplow.ttm"),
    "eid": Field(ID, "snowplow.eid"),
    "uid": Field(ID, "snowplow.uid"),
    "duid": Field(ID, "snowplow.uid"),
    "sid": Field(ID, "snowplow.sid"),
}

POSTED = message({"schema": _SCHEMA, "data": message(_EVENT, is_list=True, group="event")})
"""What may leave of what is posted."""
