"""What a collector announces of itself, as `/v1/policy` has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import __version__
from ..catalogue import CATALOGUE_VERSION
from ..review.promises import COLLECTOR, FIELDS
from .clickhouse import ON_ITS_WAY_DAYS
from .settings import SHA1

if TYPE_CHECKING:
    from .settings import Settings


def hash_field(settings: Settings) -> str:
    """Return the key under which the hash of an address is announced."""
    return "cloudquery.ip_sha1" if settings.ip_hash == SHA1 else "address_hash"


def policy(settings: Settings, *, keeps_data: bool) -> dict[str, Any]:
    """Return what a collector announces of itself, as `/v1/policy` has it."""
    hows = {
        "cloudquery.ip_sha1": (
            "SHA-1 of the text of your IP address. The address itself is not stored; but whoever "
            "has the hash and tries all four billion IPv4 addresses finds yours in minutes."
            if settings.ip_hash == SHA1
            else "HMAC-SHA-256 of the text of your IP address, with a random key that is new each "
            "day and then forgotten: on another day you have another hash, and nobody can go back."
        ),
        "geo.country.iso_code": "The country that your IP address was registered for.",
        "geo.region.name": "Looked up in a city database that the operator has.",
        "geo.locality.name": "Looked up in a city database that the operator has.",
    }
    has_cities = settings.city_database is not None
    derived = [
        {
            "field": hash_field(settings) if field.promise == "ip" else field.key,
            "how": hows[field.key],
        }
        for field in FIELDS
        if field.where == COLLECTOR
        and (has_cities or field.key in {"cloudquery.ip_sha1", "geo.country.iso_code"})
    ]
    return {
        "software": f"cqtel {__version__}",
        "catalogue": CATALOGUE_VERSION,
        "ip_hash": settings.ip_hash,
        "location": "city" if has_cities else "country",
        "derived": derived,
        "programs": [
            {
                "program": contract.program,
                "contract": contract.version,
                "fields": [
                    {"field": field.key, "sentence": field.sentence} for field in contract.fields
                ],
            }
            for contract in settings.contracts
        ],
        "retention": {"days": settings.retention_days, "error_days": settings.error_days}
        if keeps_data
        else None,
        "forwards": bool(settings.forward) or not keeps_data,
        "keeps_data": keeps_data,
        "on_its_way": _on_its_way(settings),
    }


def _on_its_way(settings: Settings) -> dict[str, Any] | None:
    """Say where else a payload may be on its way, and for how long."""
    if settings.clickhouse is None:
        return None
    return {
        "days": ON_ITS_WAY_DAYS,
        "what": (
            "What was handed on may stay in queues and in Kafka for as long, without an address "
            "and without your installation ID: its SHA-256 is there. What comes from there of one "
            "that was erased is dropped."
        ),
    }
