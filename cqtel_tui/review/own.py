"""What is known of a program's own fields: by its contract, or by the user's profile of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .events import EVENT
from .promises import CONTRACT, SPAN, UNPROMISED, CatalogueField

if TYPE_CHECKING:
    from ..consent.contracts import Contract, Shape
    from ..formats.strict_json import JsonValue

_MAKERS = "so its makers say"


@dataclass(frozen=True, slots=True)
class ContractField(CatalogueField):
    """A field that a program's contract has.

    Attributes:
        documented: what the program's documentation says of it.
        accepts: what its values may be.
    """

    documented: str = ""
    accepts: Shape | None = None

    @property
    def sentence(self) -> str:
        """The sentence of the program's own documentation."""
        return self.documented

    def fits(self, value: JsonValue) -> bool:
        """Tell whether a value has the shape that the contract says."""
        return self.accepts is not None and self.accepts.accepts(value)


def own_field(key: str, shape: str) -> CatalogueField:
    """Return what is known of a field that only a program's profile lets through."""
    return CatalogueField(
        key,
        EVENT,
        "",
        shape,
        UNPROMISED,
        "The profile of that program lets it through.",
        "medium",
        "only the program's makers know what it says",
    )


def contract_fields(contract: Contract) -> dict[str, CatalogueField]:
    """Return a contract's own fields, by their keys, as a person reads them."""
    return {
        field.key: ContractField(
            field.key,
            SPAN,
            field.shape.type,
            field.shape.words,
            CONTRACT,
            field.why,
            field.risk,
            _MAKERS,
            field.since,
            field.sentence.rstrip("."),
            field.shape,
        )
        for field in contract.fields
    }
