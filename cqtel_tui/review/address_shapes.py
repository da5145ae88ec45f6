"""The shapes of passwords beside their names, of addresses, and of paths of people."""

from __future__ import annotations

import ipaddress
import re

from .shapes import (
    ADDRESS,
    ASSIGNMENT,
    DIGITS,
    EMAIL,
    HEX,
    IN_URL_SCHEME,
    LETTERS,
    LOCAL_PART,
    MAC,
    NOTHING,
    PERSONAL_PATH,
    URL,
    VERSION,
    WORD,
    Range,
    Shape,
    after_plugin,
    back,
    is_word,
)


def _assignment(_: bytes, match: re.Match[bytes]) -> Range | None:
    return None if NOTHING.fullmatch(match[1]) else (match.start(), match.end())


_GIVES = (
    rb'["\']?\s{0,3}(?:=\s{0,3}["\']?|:\s{0,3}["\']'
    rb'|,\s{0,3}"value"\s{0,3}:\s{0,3}\{\s{0,3}"stringvalue"\s{0,3}:\s{0,3}")'
    rb'([^\s"\'&,;<>{}\[\]()\\]{6,512})'
)
ASSIGNMENTS = tuple(
    Shape(
        ASSIGNMENT,
        "a password or a key, beside its name",
        re.compile(name + _GIVES),
        _assignment,
        folded=True,
    )
    for name in (
        *(b"password", b"passwd", b"passphrase", b"secret", b"token", b"apikey", b"api_key"),
        *(b"api-key", b"access_key", b"accesskey", b"private_key", b"credential", b"credentials"),
    )
)


def _url(data: bytes, match: re.Match[bytes]) -> Range | None:
    start = back(data, match.start(), IN_URL_SCHEME, 30)
    return (start, match.end()) if start < match.start() else None


def _data_source(data: bytes, match: re.Match[bytes]) -> Range | None:
    """Accept `name:password@tcp(`, as Go's MySQL driver has it."""
    password = data.rfind(b":", max(0, match.start() - 128), match.start())
    if not 0 < password < match.start() - 1:
        return None
    start = back(data, password, LOCAL_PART, 64)
    return (start, match.end()) if start < password else None


def _email(data: bytes, match: re.Match[bytes]) -> Range | None:
    start = back(data, match.start(), LOCAL_PART, 64)
    if start == match.start() or is_word(data, match.end()):
        return None
    if after_plugin(data, match.start() + 1) and VERSION.fullmatch(match[0][1:]):
        return None
    return start, match.end()


_AFTER_VERSION = re.compile(
    rb"(?:Version|(?<![A-Za-z])(?:version|VERSION|[vV]er\.?|[rR]elease|[bB]uild|v))"
    rb"""["']?\s{0,3}(?:[:=,-]\s{0,3})?(?:"value"\s{0,3}:\s{0,3}\{\s{0,3}"stringValue"\s{0,3}:"""
    rb"""\s{0,3})?["']?\s{0,3}\Z"""
)


def _ipv4(data: bytes, match: re.Match[bytes]) -> Range | None:
    start = back(data, match.start(), DIGITS, 4)
    end = match.end()
    if is_word(data, start - 1) or is_word(data, end) or after_plugin(data, start):
        return None
    more_before = start > 1 and data[start - 1] == ord(".") and data[start - 2] in DIGITS
    more_after = data[end : end + 1] == b"." and is_word(data, end + 1)
    if more_before or more_after:
        return None
    address = _if_address(data, start, end)
    if address is None or not _AFTER_VERSION.search(data, max(0, start - 80), start):
        return address
    # A version may look like an address, but no maker numbers releases by a private network.
    return address if ipaddress.ip_address(data[start:end].decode("ascii")).is_private else None


def _ipv6(data: bytes, match: re.Match[bytes]) -> Range | None:
    start = back(data, match.start(), HEX + b":", 40)
    end = match.end() - (match[0].endswith(b".") or match[0].endswith(b":"))
    if end - start < 5 or is_word(data, start - 1) or is_word(data, end):  # noqa: PLR2004  # a::b2
        return None
    # Two groups at least: `::add` is a name in many languages.
    if len(data[start:end].replace(b":", b" ").split()) < 2:  # noqa: PLR2004  # so
        return None
    return _if_address(data, start, end)


def _if_address(data: bytes, start: int, end: int) -> Range | None:
    try:
        address = ipaddress.ip_address(data[start:end].decode("ascii"))
    except ValueError:
        return None
    return None if address.is_unspecified else (start, end)


def _mac(data: bytes, match: re.Match[bytes]) -> Range | None:
    start = match.start() - 2
    end = match.end()
    if start < 0 or data[start : start + 2].strip(HEX):
        return None
    if is_word(data, start - 1) or is_word(data, end) or data[end : end + 1] == match[1]:
        return None
    nobodys = len(set(data[start:end].lower())) == 2 and data[start] in b"0fF"  # noqa: PLR2004  # a digit and a separator
    return None if nobodys else (start, end)


ADDRESSES = (
    Shape(
        URL,
        "a URL with a password",
        re.compile(rb"""://[^\s/?#"'@:]{0,256}:[^\s/?#"'@]{1,256}@[^\s/?#"'@:]{0,256}"""),
        _url,
    ),
    Shape(
        URL,
        "a URL with a token",
        re.compile(rb"""://[^\s/?#"'@:]{12,256}:?@[^\s/?#"'@:]{1,256}"""),
        _url,
    ),
    Shape(URL, "an address with a password", re.compile(rb"@(?:tcp|unix)\("), _data_source),
    Shape(
        EMAIL,
        "an e-mail address",
        re.compile(rb"@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z][A-Za-z0-9-]{1,62}"),
        _email,
    ),
    Shape(
        ADDRESS,
        "an IPv4 address",
        re.compile(rb"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}"),
        _ipv4,
    ),
    Shape(ADDRESS, "an IPv6 address", re.compile(rb"::[0-9A-Fa-f:.]{0,40}"), _ipv6),
    Shape(
        ADDRESS,
        "an IPv6 address",
        re.compile(rb":[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){6}"),
        _ipv6,
    ),
    Shape(
        MAC,
        "a MAC address",
        re.compile(rb"([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}"),
        _mac,
    ),
)


def _posix_path(data: bytes, match: re.Match[bytes]) -> Range | None:
    before = data[match.start() - 1] if match.start() else ord(" ")
    return None if before in WORD or before in b"._-" else match.span()


def _windows_path(data: bytes, match: re.Match[bytes]) -> Range | None:
    start = match.start() - 1
    drive = start >= 0 and data[start] in LETTERS and not is_word(data, start - 1)
    return (start, match.end()) if drive else None


PATHS = (
    Shape(
        PERSONAL_PATH,
        "a path in somebody's home directory",
        re.compile(rb"/(?:home|Users)/[A-Za-z0-9._@-]{1,64}"),
        _posix_path,
    ),
    Shape(
        PERSONAL_PATH,
        "a path in somebody's home directory",
        re.compile(rb""":[\\/]{1,4}Users[\\/]{1,4}[^\\/:*?"<>|\s]{1,64}"""),
        _windows_path,
    ),
)
