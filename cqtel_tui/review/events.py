"""What the events of CloudQuery's own releases say, field by field, in words.

They go by RudderStack's protocol (https://www.rudderstack.com/docs/event-spec/), and the gate lets
no other fields of them through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..catalogue import MAX_NAME, is_boolean, is_message, is_name
from ..formats.values import count
from .promises import DEBUG, UNPROMISED, CatalogueField

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROPERTIES = "properties"
EVENT = "event"
_NAME = f"letters, digits, . _ -, up to {MAX_NAME}"
_MAX_ID = 36


def is_event_id(value: object) -> bool:
    """Tell whether a value is an id such as the gate puts in an id's place."""
    return is_name(value) and len(str(value)) <= _MAX_ID


def is_count(value: object) -> bool:
    """Tell whether a value is a count, written as usual."""
    return type(value) is int and count(value) is not None


def is_published(value: object) -> bool:
    """Tell whether a value is the name of a published plugin."""
    organisation, _, name = value.partition("/") if isinstance(value, str) else ("", "", "")
    return organisation == "cloudquery" and is_name(name)


PROPERTY_SHAPES: Mapping[str, Callable[[object], bool] | tuple[Callable[[object], bool]]] = {
    "status": is_name,
    "duration": is_count,
    "source": is_published,
    "source_path": is_published,
    "destination": is_published,
    "destination_paths": (is_published,),
    "total_rows": is_count,
    "errors": is_count,
    "warnings": is_count,
    "aborted_due_to_error": is_boolean,
    "error": is_message,
}
"""What an event may say beside its name; in a tuple, a list of them."""


def _field(  # noqa: PLR0913, PLR0917  # each a part of the description
    key: str, kind: str, shape: str, promise: str, why: str, risk: str, because: str
) -> CatalogueField:
    return CatalogueField(key, EVENT, kind, shape, promise, why, risk, because)


_PLUGIN = "a published plugin, cloudquery/<name>"
_MADE_UP = "random, and another one in each run: the program's own id is not sent"
_WHEN = "an exact time can be matched with other logs"

EVENT_FIELDS = {
    field.key: field
    for field in (
        _field("event", "string", _NAME, "operation",
               "Names what happened: a command that began or ended.",
               "none", "chosen by the program's makers, never an argument"),
        _field("type", "string", _NAME, UNPROMISED,
               "RudderStack asks for it: `track` is something that happened.",
               "none", "the same in nearly all events"),
        _field("properties.status", "string", _NAME, "duration",
               "Tells whether the command succeeded.",
               "none", "one of a few words"),
        _field("properties.duration", "integer", "a count", "duration",
               "Tells how long the command took.",
               "low", "many runs take as long"),
        _field("properties.source", "string", _PLUGIN, "providers",
               "Tells which published source plugin was used.",
               "low", "shared by all who use that plugin"),
        _field("properties.source_path", "string", _PLUGIN, "providers",
               "Tells which published source plugin was used.",
               "low", "shared by all who use that plugin"),
        _field("properties.destination", "string", _PLUGIN, "providers",
               "Tells which published destination plugin was used.",
               "low", "shared by all who use that plugin"),
        _field("properties.destination_paths", "list", _PLUGIN, "providers",
               "Tells which published destination plugins were used.",
               "low", "shared by all who use them; a rare set of them may be only yours"),
        _field("properties.total_rows", "integer", "a count", UNPROMISED,
               "Counts the rows that were synced.",
               "medium", "an exact number can be matched with other logs"),
        _field("properties.errors", "integer", "a count", UNPROMISED,
               "Counts the errors, without their texts.",
               "none", "a small number"),
        _field("properties.warnings", "integer", "a count", UNPROMISED,
               "Counts the warnings, without their texts.",
               "none", "a small number"),
        _field("properties.aborted_due_to_error", "boolean", "true or false", "duration",
               "Tells whether an error ended the command early.",
               "none", "one of two values"),
        _field("properties.error", "string", "text; in debug mode only", DEBUG,
               "Helps to find the cause of a failure.",
               "high", "error texts can contain paths, names, addresses and credentials"),
        _field("context.library.name", "string", _NAME, UNPROMISED,
               "Names the library that the program reports with.",
               "none", "the same for everybody who uses that release"),
        _field("context.library.version", "string", "a version", UNPROMISED,
               "Tells that library's release.",
               "none", "the same for everybody who uses that release"),
        _field("channel", "string", _NAME, UNPROMISED,
               "RudderStack asks for it: it says that no browser sent this.",
               "none", "always the same"),
        _field("timestamp", "string", "a time in UTC", "trace",
               "Tells when it happened.", "medium", _WHEN),
        _field("originalTimestamp", "string", "a time in UTC", "trace",
               "Tells when it happened.", "medium", _WHEN),
        _field("sentAt", "string", "a time in UTC", "trace",
               "Tells when the program handed it over.", "medium", _WHEN),
        _field("anonymousId", "string", "a random id", UNPROMISED,
               "Ties the events of one run together.", "low", _MADE_UP),
        _field("messageId", "string", "a random id", UNPROMISED,
               "Lets the service tell that it got the same event twice.", "low", _MADE_UP),
    )
}  # fmt: skip
"""Each field that an event may have, by its key; a property's begins with `properties.`."""
