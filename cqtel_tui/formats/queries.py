"""What a request tells without a body: in its query string, and in its User-Agent.

A User-Agent is made of products with versions, of comments in parentheses, and with some programs
of a document in JSON (https://www.rfc-editor.org/rfc/rfc9110#name-user-agent).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .fields import NAME, PROPERTIES, VERSION, Field, message
from .readers import NotOfKindError, read_form
from .strict_json import UnreadableError, parse

if TYPE_CHECKING:
    from .strict_json import JsonObject, JsonValue

QUERY = "query"
AGENT = "userAgent"
_PRODUCT = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,80})(?:/([^\s(){}]{1,80}))?(?=\s|$|\()")
_COMMENT = re.compile(r"\([^()]{0,2000}\)")
_MAX_AGENT = 8_000

REQUEST = message(
    {
        QUERY: Field(PROPERTIES, QUERY),
        AGENT: message(
            {
                "products": message(
                    {
                        "name": Field(NAME, "userAgent.product"),
                        "version": Field(VERSION, "userAgent.version"),
                    },
                    is_list=True,
                ),
                "told": Field(PROPERTIES, QUERY),
            }
        ),
    }
)
"""The fields of a query and a User-Agent that may leave."""


def read_query(path: str, agent: str) -> JsonObject:
    """Return what a path's query and a User-Agent tell.

    Raises:
        NotOfKindError: the query is no form.
    """
    query = path.partition("?")[2]
    request: JsonObject = {}
    if query:
        request[QUERY] = read_form(query.encode("latin-1", "replace"))
    if agent:
        request[AGENT] = _agent(agent)
    if not request:
        raise NotOfKindError("it tells nothing")
    return request


def _agent(text: str) -> JsonValue:
    text = text[:_MAX_AGENT]
    begin = text.find("{")
    appended: JsonValue = None
    if begin >= 0:
        try:
            appended = parse(text[begin:].encode("latin-1", "replace"))
        except UnreadableError:
            appended = text[begin:]
        text = text[:begin]
    comments: list[JsonValue] = list(_COMMENT.findall(text))
    products: list[JsonValue] = [
        {"name": name, "version": version} if version else {"name": name}
        for name, version in _PRODUCT.findall(_COMMENT.sub(" ", text))
    ]
    agent: JsonObject = {"products": products}
    if comments:
        agent["comments"] = comments
    if appended is not None:
        agent["told"] = appended
    return agent
