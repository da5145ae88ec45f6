"""What an operator sets: where to listen, what to derive, how long to keep."""

from __future__ import annotations

import ipaddress
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ..errors import WrongUsageError

if TYPE_CHECKING:
    from pathlib import Path

    from ..consent.contracts import Contract
    from .clickhouse_asking import DatabasePlace

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

SHA1 = "sha1"
HMAC_DAILY = "hmac-daily"
LISTEN = "127.0.0.1:4318"
RETENTION_DAYS = 396
ERROR_DAYS = 30
RATE = 50.0
_PORTS = 1 << 16
TRACES_PATH = "/v1/traces"


@dataclass(frozen=True, slots=True)
class Settings:
    """How one collector runs.

    Attributes:
        store: the SQLite file; what else is kept is beside it.
        host: the address to listen on.
        port: 0 lets the system choose one.
        trusted_proxies: whose X-Forwarded-For is believed.
        ip_hash: `SHA1` or `HMAC_DAILY`.
        city_database: an operator's mmdb with cities, or None.
        workers: how many processes share the port.
        retention_days: how long operations are kept.
        error_days: how long error texts are kept.
        rate: requests a second that one network may send in the long run; 0 is without limit.
        forward: the URL that an edge posts clean traces to; empty if they are kept here.
        cors: the origins whose pages may send traces from a browser; `*` is any.
        hosts: the names by which people ask for their data, beside its addresses.
        believes_clock: whether retention goes by the clock from the start on, however far it is
            ahead of when it was last looked at.
        clickhouse: where an edge finds what people may ask for, or None.
        hmac_key_file: where the keys of days are that several edges share, or None.
        contracts: of programs whose own fields are taken, too.
    """

    store: Path
    host: str = "127.0.0.1"
    port: int = 4318
    trusted_proxies: tuple[Network, ...] = ()
    ip_hash: str = SHA1
    city_database: Path | None = None
    workers: int = 1
    retention_days: int = RETENTION_DAYS
    error_days: int = ERROR_DAYS
    rate: float = RATE
    forward: str = ""
    cors: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    believes_clock: bool = False
    clickhouse: DatabasePlace | None = None
    hmac_key_file: Path | None = None
    contracts: tuple[Contract, ...] = ()


def read_listen(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`, an IPv6 address in brackets.

    Raises:
        WrongUsageError: the text is not of that form.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    try:
        number = int(port) if port.isascii() and port.isdigit() else -1
        address = ipaddress.ip_address(host)
    except ValueError:
        raise WrongUsageError(f"{text} is no address and port, such as {LISTEN}") from None
    if not colon or not 0 <= number < _PORTS:
        raise WrongUsageError(f"{text} has no port, such as {LISTEN}")
    return str(address), number


def read_network(text: str) -> Network:
    """Read an address, or a network such as `10.0.0.0/8`.

    Raises:
        WrongUsageError: it is neither.
    """
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise WrongUsageError(f"{text} is no address and no network, such as 10.0.0.0/8") from None


def read_origin(text: str) -> str:
    """Read an origin as browsers name it, such as `https://app.example.com`, or `*`.

    Raises:
        WrongUsageError: the text is not an origin.
    """
    try:
        parts = urllib.parse.urlsplit(text)
        named = f"{parts.scheme}://{parts.netloc}" if parts.port != 0 else ""
    except ValueError:
        named, parts = "", urllib.parse.urlsplit("")
    is_one = named == text and parts.scheme in {"http", "https"} and parts.hostname
    if text != "*" and not (is_one and text.isascii() and text.isprintable() and " " not in text):
        raise WrongUsageError(f"{text} is no origin, such as https://app.example.com")
    return text


def read_forward(text: str) -> str:
    """Read the base URL of an OpenTelemetry Collector; return where it takes traces.

    The path is added as the OTLP specification says of a base URL.

    Raises:
        WrongUsageError: it is no URL to post to, or has what would be lost.
    """
    try:
        parts = urllib.parse.urlsplit(text)
        is_usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_usable, parts = False, urllib.parse.urlsplit("")
    if not is_usable or not text.isascii() or not text.isprintable() or " " in text:
        raise WrongUsageError(f"{text} is no URL to forward to, such as http://127.0.0.1:4319")
    if parts.username is not None or parts.query or parts.fragment:
        raise WrongUsageError("--forward takes a URL without user, query and fragment")
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path.removesuffix(TRACES_PATH)}{TRACES_PATH}"
