"""Find the proxy that the environment asks for, and show it without its password."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from ..consent.choices import is_loopback


def proxy_for(url: str) -> str:
    """Return the proxy that the environment asks for; empty for none, and for this machine.

    `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, as everywhere; a user name or password in it is
    kept, so show it by `without_password`.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""  # nothing can be sent there anyway
    proxies = getproxies_environment()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    if not proxy or is_loopback(parts.hostname or "") or proxy_bypass(parts.netloc):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def without_password(proxy: str) -> str:
    """Return a proxy's URL as it may be shown: without its user name and password."""
    scheme, separator, rest = proxy.partition("://")
    if not separator:
        scheme, rest = "", proxy
    # A password may hold anything: all that stands before the last @ may be a part of it.
    return scheme + separator + rest.rpartition("@")[2]
