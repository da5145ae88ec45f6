"""Let whatever changes an outbox be refused to root, where the outbox is another user's."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from ..consent.foreign import refuse_foreign

if TYPE_CHECKING:
    from collections.abc import Callable

    from .store import Outbox

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def by_its_owner(
    method: Callable[Concatenate[Outbox, _Given], _Result],
) -> Callable[Concatenate[Outbox, _Given], _Result]:
    """Guard a method that changes something; see `refuse_foreign` for what it raises."""

    @wraps(method)
    def guarded(outbox: Outbox, /, *arguments: _Given.args, **named: _Given.kwargs) -> _Result:
        refuse_foreign(outbox.state)
        return method(outbox, *arguments, **named)

    return guarded
