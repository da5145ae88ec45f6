"""What is derived from the address that a request came from, before the address is forgotten.

No error, log or answer of this module quotes an address.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
import os
import secrets
import time
from typing import TYPE_CHECKING, Any, TypeAlias

import iptocc
import maxminddb

from ..errors import CqtelError
from ..files import NO_LINK, locked
from .arrivals import Origin
from .settings import SHA1
from .shared_keys import SharedKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from .settings import Network, Settings

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_DAY_SECONDS = 86_400
_KEY_BYTES = 32
_NETWORK_BYTES = 8
_MAX_NAME = 100
_MAX_HOPS = 64
_LINE = len("2026-11-22 ") + 2 * _KEY_BYTES + 1


class Derived:
    """What is known of who sent a request.

    Attributes:
        origin: what may be kept.
        networks: stand for the IPv4 address, or for the /64 and the /48 of an IPv6 address, for as
            long as this collector runs.
    """

    __slots__ = ("networks", "origin")

    def __init__(self, origin: Origin, networks: tuple[bytes, ...]) -> None:
        self.origin = origin
        self.networks = networks


class Addresses:
    """Derives what may be kept of an address, and forgets the address.

    Args:
        settings: what to derive, and how.
        clock: seconds since 1970.
        secret: what `Derived.networks` are made with, the same in all workers.

    Raises:
        CqtelError: the city database cannot be read, or the day's key not kept.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        secret: bytes | None = None,
    ) -> None:
        self._trusted = settings.trusted_proxies
        self._cities = None if settings.city_database is None else _open(settings.city_database)
        self._secret = secret or secrets.token_bytes(_KEY_BYTES)
        self._keys: DailyKeys | SharedKeys | None = None
        if settings.hmac_key_file is not None:
            self._keys = SharedKeys(settings.hmac_key_file, clock)
        elif settings.ip_hash != SHA1:
            self._keys = DailyKeys(
                settings.store.with_name(f"{settings.store.name}.day-key"), clock
            )

    def again(self, peer: str, forwarded: Sequence[str], memory: dict[str, Any]) -> Derived | None:
        """Derive what may be kept of who sent a request; None if that cannot be read.

        Args:
            peer: as for `sender`.
            forwarded: likewise.
            memory: what is remembered of the connection: most requests of one are of one sender.
                It holds what was derived, for as long as that is of this day.
        """
        day = self._day()
        source = (day, peer, *forwarded)
        if memory.get("source") != source:
            address = self.sender(peer, forwarded)
            memory["source"] = source
            memory["derived"] = None if address is None else self.derive(address)
        derived: Derived | None = memory["derived"]
        return derived

    def derive(self, address: Address) -> Derived:
        """Derive what may be kept of an address."""
        text = str(address)
        country = iptocc.country_code(text)
        region = city = None
        if self._cities is not None:
            place = self._cities.get(address)
            if isinstance(place, dict):
                known, region, city = _place(place)
                country = known or country
        packed = address.packed
        parts = (packed,) if address.version == 4 else (packed[:8], packed[:6])  # noqa: PLR2004
        networks = tuple(
            hashlib.blake2b(part, key=self._secret, digest_size=_NETWORK_BYTES).digest()
            for part in parts
        )
        return Derived(Origin(self._hash(text), country, region, city), networks)

    def is_proxy(self, peer: str) -> bool:
        """Tell whether the address at the other end of a connection is a trusted proxy's."""
        address = canonical(peer)
        return address is not None and bool(self._trusted) and self._trusts(address)

    def sender(self, peer: str, forwarded: Iterable[str] = ()) -> Address | None:
        """Tell who sent a request; None if that cannot be read.

        Args:
            peer: the address at the other end of the connection.
            forwarded: each X-Forwarded-For, in their order. Only what a trusted proxy has added
                to it is believed: the last one that is not a trusted proxy's itself.
        """
        sender = canonical(peer)
        if sender is None or not self._trusted or not self._trusts(sender):
            return sender
        hops = [hop for value in forwarded for hop in value.split(",")]
        for hop in reversed(hops[-_MAX_HOPS:]):
            address = canonical(_without_port(hop.strip()))
            if address is None:
                break
            sender = address
            if not self._trusts(sender):
                break
        return sender

    def refresh(self) -> None:
        """Forget the key of a day that is over."""
        if self._keys is not None:
            self._keys.today()

    def close(self) -> None:
        """Close the city database."""
        if self._cities is not None:
            self._cities.close()

    def _trusts(self, address: Address) -> bool:
        return is_within(address, self._trusted)

    def _day(self) -> bytes:
        """Return the key of this day; empty where hashes have none."""
        return b"" if self._keys is None else self._keys.today()

    def _hash(self, text: str) -> str:
        if self._keys is None:
            # As documented. Trying all addresses reverses it, as /v1/policy says.
            return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        return hmac.digest(self._keys.today(), text.encode(), "sha256").hex()


def canonical(text: str) -> Address | None:
    """Read an address: without a scope, an IPv4 address as such where IPv6 only wraps it.

    Returns:
        the address; None if the text is not one. Its `str` is the canonical text form (RFC 5952
        for IPv6).
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_within(address: Address, networks: Sequence[Network]) -> bool:
    """Tell whether an address is in one of some networks."""
    return any(address in network for network in networks)


def _without_port(hop: str) -> str:
    """Return the address of `1.2.3.4:567`, `[::1]:567` or `[::1]`; else what was given."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _open(path: Path) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(path)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no MaxMind database"
        raise CqtelError(f"{path}: {why}. Give another --city-database, or none.") from None


def _place(record: dict[str, object]) -> tuple[str | None, str | None, str | None]:
    """Return country, region and city of a record in MaxMind's shape, as far as they are there."""
    country = record.get("country")
    code = country.get("iso_code") if isinstance(country, dict) else None
    regions = record.get("subdivisions")
    region = regions[0] if isinstance(regions, list) and regions else None
    is_code = isinstance(code, str) and len(code) == 2 and code.isalpha() and code.isascii()  # noqa: PLR2004
    return str(code).upper() if is_code else None, _name(region), _name(record.get("city"))


def _name(place: object) -> str | None:
    names = place.get("names") if isinstance(place, dict) else None
    name = names.get("en") if isinstance(names, dict) else None
    return name[:_MAX_NAME] if isinstance(name, str) and name.isprintable() else None


class DailyKeys:
    """A random key for each day in UTC, in a file that all workers share (mode 0600).

    The day's first request makes it, in the place of the one before: no key is older than a day
    while the collector runs. The hashes of another day can then not be recomputed by anybody.

    Args:
        path: the file.
        clock: seconds since 1970.

    Raises:
        CqtelError: the file cannot be read or written.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._day = -1
        self._key = b""
        self.today()

    def today(self) -> bytes:
        """Return the key of this day.

        Raises:
            CqtelError: the file cannot be read or written.
        """
        day = int(self._clock() // _DAY_SECONDS)
        if day != self._day:
            self._key = self._read_or_make(time.strftime("%Y-%m-%d", time.gmtime(self._clock())))
            self._day = day
        return self._key

    def _read_or_make(self, date: str) -> bytes:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with locked(self._path.with_name(f"{self._path.name}.lock")):
                return self._shared(date)
        except OSError as error:
            raise CqtelError(
                f"{self._path}: {error.strerror}. "
                "The day's key must be kept there; look at its owner and free space."
            ) from None

    def _shared(self, date: str) -> bytes:
        opened = os.open(self._path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o600)
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(opened, 0o600)
            written, _, key = os.read(opened, _LINE + 1).decode("ascii", "replace").partition(" ")
            with contextlib.suppress(ValueError):
                if written == date and len(known := bytes.fromhex(key)) == _KEY_BYTES:
                    return known
            made = secrets.token_bytes(_KEY_BYTES)
            # Written over the last key, so that nothing of it is left in the file.
            os.lseek(opened, 0, os.SEEK_SET)
            os.write(opened, f"{date} {made.hex()}\n".encode("ascii"))
            os.ftruncate(opened, _LINE)
            os.fsync(opened)
            return made
        finally:
            os.close(opened)
