"""Find the proxy that the environment asks for, and show it without its password."""

from __future__ import annotations

import os
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from ..consent.endpoint import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEFAULT_PORTS = {"http": 80, "https": 443}


def proxy_for(url: str) -> str:
    """Return the proxy that the environment asks for; empty for none, and for this machine.

    `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` in both spellings, as everywhere (of two that differ,
    the one in small letters, as curl and Python have it); a user name or password in it is kept,
    so show it by `without_password`.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return ""  # nothing can be sent there anyway
    proxies = getproxies_environment()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    if not proxy or is_loopback(host) or is_direct(host, port):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def is_direct(host: str, port: int) -> bool:
    """Tell whether `NO_PROXY` says that a host is reached without a proxy.

    What Go, curl and Python understand: `*`, names with all that is below them (a leading dot or
    `*.` is taken, too), addresses and networks of both families, each with a port or without one,
    between commas or blanks. No name is looked up, so that a network covers addresses alone.

    Args:
        host: a name or an address, as in a URL, without brackets.
        port: the one it is reached at.
    """
    host = host.lower().rstrip(".")
    address = _address(host)
    for entry in _entries():
        if entry == "*":
            return True
        if address is not None and "/" in entry:
            if _is_within(address, entry):
                return True
            continue
        named, wanted = _split(entry)
        if wanted in {"", str(port)} and _is_named(host, address, named):
            return True
    return False


def _entries() -> Iterator[str]:
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    for entry in listed.lower().replace(",", " ").split():
        try:
            yield entry if entry.isascii() else entry.encode("idna").decode("ascii")
        except UnicodeError:
            continue


def _split(entry: str) -> tuple[str, str]:
    """Return a host and a port, which is empty where there is none."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, rest.removeprefix(":")
    host, colon, port = entry.rpartition(":")
    is_port = colon and ":" not in host and port.isascii() and port.isdigit()
    return (host, port.lstrip("0") or "0") if is_port else (entry, "")


def _is_named(host: str, address: IPv4Address | IPv6Address | None, named: str) -> bool:
    if address is not None:
        return address == _address(named)
    name = named.removeprefix("*").strip(".")
    is_above = bool(name) and host.endswith(f".{name}")
    return is_above or (host == name and bool(name) and not named.startswith("*"))


def _is_within(address: IPv4Address | IPv6Address, network: str) -> bool:
    base, _, length = network.partition("/")
    try:
        return address in ip_network(f"{base.strip('[]')}/{length}", strict=False)
    except ValueError:
        return False


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def without_password(proxy: str) -> str:
    """Return a proxy's URL as it may be shown: without its user name and password."""
    scheme, separator, rest = proxy.partition("://")
    if not separator:
        scheme, rest = "", proxy
    # A password may hold anything: all that stands before the last @ may be a part of it.
    return scheme + separator + rest.rpartition("@")[2]
