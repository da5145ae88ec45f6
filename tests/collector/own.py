"""A program with fields of its own, of every shape that a contract can have."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from cqtel_tui.consent.contracts import SHAPES, Contract, OwnField

from .requests import attributes, request, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cqtel_tui.collector.arrivals import Arrival

OWN: dict[str, Any] = {
    "shop.boolean": True,
    "shop.class_name": "shop.errors.SoldOutError",
    "shop.date": "2026-01-02",
    "shop.exit_code": 3,
    "shop.name": "dark",
    "shop.plugins": ["source/shop/shelf@v1.2.3"],
    "shop.version": "1.2.3",
}
"""A value of each."""
UNFIT: dict[str, Any] = {
    "shop.boolean": "true",
    "shop.class_name": "not a class",
    "shop.date": "yesterday",
    "shop.exit_code": 256,
    "shop.name": "somebody@mail.example",
    "shop.plugins": "source/shop/shelf@v1.2.3",
    "shop.version": "/home/somebody",
}
"""A value for each that it cannot have."""


def own_of(values: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return these as a span has them."""
    pairs = sorted(values.items())
    return tuple((key, tuple(one) if isinstance(one, list) else one) for key, one in pairs)


def contract(program: str = "shop") -> Contract:
    """Return a contract with a field of each shape."""
    fields = tuple(
        OwnField(f"{program}.{name}", shape, "What it is", "Why it is.", "low", 1)
        for name, shape in SHAPES.items()
    )
    url = "https://shop.example/telemetry"
    return Contract(program, 1, None, url, "privacy@shop.example", 90, fields)


def request_of(program: str, own: dict[str, Any]) -> dict[str, Any]:
    """Return a request of one span that says these."""
    return request(span("buy", attributes=attributes(own)), program={"service.name": program})


def with_own(arrivals: Sequence[Arrival], seed: int = 1) -> list[Arrival]:
    """Return these as the shop's: of half of its installations most say which theme was in use."""
    draw = random.Random(seed)  # noqa: S311  # the same each time
    shops = []
    for one in arrivals:
        spans = list(one.spans)
        at = draw.randrange(len(spans))
        who = one.cookie or one.origin.address_hash
        if int(who[-1], 16) % 2 and draw.random() < 0.7:
            theme = draw.choice(["dark", "light", "light", "blue"])
            own = OWN if draw.random() < 0.1 else {"shop.name": theme}
            spans[at] = replace(spans[at], own=own_of(own))
        shops.append(replace(one, app="shop", spans=tuple(spans)))
    return shops
