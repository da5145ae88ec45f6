"""What a field of a protocol is: the tables of `otlp_fields`, `rudderstack_fields` … hold these.

One table for each protocol says what its messages have that may leave this machine, and by which
key it is explained. The gate's redaction, the review's explanation and the leak check are derived
from it. What a table does not name never leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MESSAGE = "message"
"""An object with fields of its own."""
ATTRIBUTES = "attributes"
"""OTLP's list of keys and values, each of which has a rule of its own."""
PROPERTIES = "properties"
"""An object of the program's own keys, each of which has a rule of its own."""
BOOLEAN = "boolean"
CLASS_NAME = "class name"
COUNT = "count"
ENUM = "enum"
ERROR_TEXT = "error text"
EVENT = "event"
"""An event's name, which may have spaces; another one stands in for what may not leave."""
ID = "id"
"""An id of any form."""
KEY = "project key"
"""By which a service knows the program: its makers publish it, and it is not the user's."""
MOMENT = "moment"
"""A time in UTC, as a text or in seconds since 1970."""
NAME = "name"
NANOSECONDS = "nanoseconds"
NUMBER = "number"
ONE_OF = "one of a few texts"
PLUGIN = "plugin"
"""The name of a published plugin of CloudQuery's."""
SCHEMA = "schema"
"""The name of one of Snowplow's schemas."""
SPAN_ID = "span id"
STATUS = "status"
"""OTLP's status of a span, which some write by its name."""
TIME = "time"
TRACE_ID = "trace id"
"""OTLP's ids, in hex whatever the program wrote."""
VERSION = "version"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a protocol that may leave, if its value is what its kind says.

    Attributes:
        kind: what its value is.
        key: by which it is explained; of attributes and properties, whose they are. Empty where
            our own recorder and CloudQuery's releases send none: then it is shown as unknown.
        members: of a message, its fields by their names; of properties, the protocol's own.
        options: of one of a few texts, those.
        is_list: whether there is a list of such values.
        after: of a time, the name of the field beside it that it comes after.
        group: how each item of the list is called where it is explained; empty for no name.
        is_operation: whether it names what the program did.
    """

    kind: str
    key: str = ""
    members: Mapping[str, Field] = field(default_factory=dict)
    options: frozenset[str] = frozenset()
    is_list: bool = False
    after: str = ""
    group: str = ""
    is_operation: bool = False

    @property
    def is_explained(self) -> bool:
        """Whether it, or something in it, is explained."""
        return bool(self.key) or any(one.is_explained for one in self.members.values())

    def everything(self) -> Iterator[Field]:
        """Give the field and all that is in it, at any depth."""
        yield self
        for one in self.members.values():
            yield from one.everything()


def message(members: Mapping[str, Field], *, is_list: bool = False, group: str = "") -> Field:
    """Return the field of a message, or of a list of such messages."""
    return Field(MESSAGE, members=members, is_list=is_list, group=group)
