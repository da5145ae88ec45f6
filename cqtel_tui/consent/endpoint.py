"""Check an endpoint: https, or http on this machine; a host that all programs read the same."""

from ..catalogue import DIGITS, LOWER

MAX_ENDPOINT = 2048
TRACES_PATH = "/v1/traces"


def endpoint_problem(url: object) -> "str | None":
    """Say what is wrong with an endpoint; None if payloads may be sent there.

    `https` only, but for this machine itself; no user name or password in it.
    """
    if not isinstance(url, str) or len(url) > MAX_ENDPOINT:
        return "it is not a URL"
    scheme, separator, rest = url.partition("://")
    authority = rest.replace("?", "/").replace("#", "/").partition("/")[0]
    host = authority.rpartition(":")[0] if ":" in authority.rpartition("]")[2] else authority
    port = authority[len(host) + 1 :]
    if not separator or not host or not url.isascii() or not url.isprintable() or " " in url:
        return "it is not a URL"
    if "@" in authority or "\\" in url:
        return "it has a user name, a password or a backslash in it"
    if not _is_host(host):
        return "its host is neither a name nor an address"
    if len(authority) > len(host) and not (port.isdigit() and 0 < int(port) < 1 << 16):
        return "its port is not a number from 1 to 65535"
    if scheme == "https" or (scheme == "http" and is_loopback(host)):
        return None
    return "it is not https (http is for this machine only)"


def with_path(url: str) -> str:
    """Return where an endpoint is posted to: one without a path is a base URL, as OTLP has it.

    `/v1/traces` is what the signal of traces adds to a base URL
    (https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp); a
    path that is there stays as it is, but for a `/v1` that ends before the signal.
    """
    scheme, separator, rest = url.partition("://")
    end = min([at for mark in "/?#" if (at := rest.find(mark)) >= 0] or [len(rest)])
    authority, tail = rest[:end], rest[end:]
    cut = min([at for mark in "?#" if (at := tail.find(mark)) >= 0] or [len(tail)])
    path, query = tail[:cut], tail[cut:]
    if path.strip("/") not in {"", "v1"}:
        return url
    return f"{scheme}{separator}{authority}{TRACES_PATH}{query}"


def is_loopback(host: str) -> bool:
    """Tell whether `host`, as written in a URL, is this machine itself."""
    return host.lower() in {"localhost", "[::1]", "::1"} or (
        host.startswith("127.") and _is_ipv4(host)
    )


def _is_host(host: str) -> bool:
    """Tell whether `host` is a name or an address, written so that all programs read the same."""
    if host[0] == "[":
        from ipaddress import AddressValueError, IPv6Address

        try:
            return host[-1] == "]" and "%" not in host and bool(IPv6Address(host[1:-1]).packed)
        except AddressValueError:
            return False
    if host.rpartition(".")[2].isdigit():
        return _is_ipv4(host)
    return not host.lower().strip(LOWER + DIGITS + ".-_")


def _is_ipv4(host: str) -> bool:
    if len(host) > len("255.255.255.255") or not host.isascii():
        return False
    numbers = [int(number) if number.isdigit() else 256 for number in host.split(".")]
    # Four of one byte each, in decimal, without leading zeros.
    written = ".".join([str(number) for number in numbers])
    return len(numbers) == 4 and max(numbers) < 256 and written == host  # noqa: PLR2004
