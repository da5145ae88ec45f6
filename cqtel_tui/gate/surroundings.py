"""Gather what is around this program that must not get into its telemetry, for `review.leaks`.

Files and the environment are read, and nothing else: no socket is opened, no name is looked up.
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..review.needles import Surroundings, looks_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_INTERFACES = Path("/sys/class/net")
_IPV4_TABLE = Path("/proc/net/fib_trie")
_IPV6_TABLE = Path("/proc/net/if_inet6")
_MACHINE_IDS = (
    Path("/etc/machine-id"),
    Path("/var/lib/dbus/machine-id"),
    Path("/sys/class/dmi/id/product_uuid"),  # for root alone
)
_LOCAL_IPV4 = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")
_HOME_VARIABLES = ("HOME", "USERPROFILE")
_USER_VARIABLES = ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER")
_HOST_VARIABLES = ("HOSTNAME", "HOST", "COMPUTERNAME")


def surroundings_here(
    arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None
) -> Surroundings:
    """Return what is around this process; what cannot be read is left out.

    Args:
        arguments: those of the recorded command, without the program, where they are known.
        environ: the environment; this process's by default.
    """
    environ = os.environ if environ is None else environ
    homes, users = _account()
    homes += [environ[name] for name in _HOME_VARIABLES if environ.get(name)]
    users += [environ[name] for name in _USER_VARIABLES if environ.get(name)]
    hosts = [environ[name] for name in _HOST_VARIABLES if environ.get(name)]
    if hasattr(os, "uname"):
        hosts.append(os.uname().nodename)
    return Surroundings(
        homes=_each_once([*homes, *map(os.path.realpath, homes)]),
        users=_each_once(users),
        hosts=_each_once(hosts),
        addresses=_each_once([*_ipv4(), *_ipv6()]),
        macs=_each_once(_macs()),
        secrets=tuple(item for item in environ.items() if looks_secret(*item)),
        machine_ids=_each_once(_read(path).strip() for path in _MACHINE_IDS),
        directory=_directory(),
        arguments=None if arguments is None else tuple(arguments),
    )


def _each_once(texts: Sequence[str] | Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))


def _account() -> tuple[list[str], list[str]]:
    """Return the home and the name that the system knows of this user."""
    try:
        from pwd import getpwuid

        account = getpwuid(os.getuid())
    except (ImportError, KeyError):  # Windows; a user that only has a number
        return [], []
    return [account.pw_dir], [account.pw_name]


def _directory() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _ipv4() -> Iterator[str]:
    for address in _LOCAL_IPV4.findall(_read(_IPV4_TABLE)):
        yield from _telling(address)


def _ipv6() -> Iterator[str]:
    for line in _read(_IPV6_TABLE).splitlines():
        digits = line.partition(" ")[0]
        yield from _telling(":".join(re.findall("....", digits)))


def _telling(address: str) -> Iterator[str]:
    """Give an address as it is written, unless every machine has it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return
    if not parsed.is_loopback:
        yield str(parsed)


def _macs() -> Iterator[str]:
    try:
        interfaces = sorted(_INTERFACES.iterdir())
    except OSError:
        return
    for interface in interfaces:
        mac = _read(interface / "address").strip()
        if mac.strip("0:"):
            yield mac
