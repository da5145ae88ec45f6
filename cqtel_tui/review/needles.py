"""What is around a program that must not get into its telemetry, and how it is looked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_plus

from .promises import BY_KEY, FIELDS
from .shapes import ADDRESS, MAC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

SECRET = "secret"  # noqa: S105  # the word itself
HOME = "home"
DIRECTORY = "directory"
ARGUMENT = "argument"
HOST = "host"
USER = "user"
MACHINE = "machine"
OF_THIS_MACHINE = "of this machine"

ARGUMENTS_ARE_NOT_KEPT = "the command's arguments: they are not recorded"

MAX_NEEDLES = 300
_LEAST_SECRET = 8
_LEAST_ARGUMENT = 4
_LEAST_NAME = 3
_LEAST_NUMBER = 6
_LEAST_LINE = 20
_MACHINE_DIGITS = 32

_SECRET_NAME = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|_PASS\b|_PWD\b|KEY|CREDENTIAL|AUTH|DSN|COOKIE|JWT|BEARER"
    r"|CONNECTION_STRING|CONNSTR|DATABASE_URL|_PAT\b|SIGNATURE|WEBHOOK",
    re.IGNORECASE,
)
_NO_SECRET_NAME = re.compile(
    r"SOCK\b|SOCKET\b|_FILE\b|_PATH\b|_DIR\b|_TTY\b|_PID\b|XAUTHORITY|KEYMAP|KEYBOARD|KEYTIMEOUT"
    r"|KEYLAYOUT|KEYRING_CONTROL",
    re.IGNORECASE,
)
_NO_SECRET_VALUE = re.compile(r"true|false|yes|no|on|off|enabled|disabled|none|null", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"://[^\s/?#@:]{0,256}:([^\s/@]{6,256})@")

_NOBODYS_FOLDERS = frozenset(
    ("", "/tmp", "/nonexistent", "/var/empty", "/dev/null", "/app", "/src")  # noqa: S108  # none is used
)
_COMMON_NAMES = frozenset(
    (
        *("root", "admin", "administrator", "user", "users", "guest", "nobody", "daemon"),
        *("operator", "test", "tester", "dev", "develop", "developer", "app", "application"),
        *("www", "www-data", "web", "node", "npm", "python", "ruby", "java", "docker", "podman"),
        *("container", "runner", "build", "builder", "buildkite-agent", "jenkins", "github"),
        *("gitlab-runner", "circleci", "travis", "vagrant", "ubuntu", "debian", "fedora"),
        *("centos", "alpine", "arch", "redhat", "rhel", "suse", "linux", "windows", "macos"),
        *("mac", "darwin", "pi", "raspberrypi", "ec2-user", "azureuser", "cloud-user", "vscode"),
        *("cloudshell-user", "codespace", "gitpod", "coder", "default", "postgres", "mysql"),
        *("localhost", "localhost.localdomain", "local", "host", "home", "desktop", "laptop"),
        *("server", "machine", "computer", "workstation"),
    )
)
"""Names that too many people have to identify anybody."""

_OWN_WORDS = frozenset(
    word.lower()
    for word in (
        *("resourceSpans", "resource", "attributes", "key", "value", "stringValue", "boolValue"),
        *("intValue", "arrayValue", "values", "scopeSpans", "scope", "spans", "status", "code"),
        *("true", "false", "cqtel", "unnamed", "other", "cloudquery", "source", "destination"),
        *("transformer", "provider", "fetch", "policy", "drift", "sync", "migrate", "apply"),
        *("init", "login", "logout"),
        *BY_KEY,
        *(part for entry in FIELDS for part in entry.key.split(".")),
    )
)
"""Words that payloads are made of anyway."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is around a program that could get into its telemetry. A plain value: no I/O here.

    Attributes:
        homes: paths of the home folder.
        users: the user's names.
        hosts: the machine's names.
        addresses: the IP addresses of its interfaces.
        macs: their MAC addresses.
        secrets: environment variables (name, value) that `looks_secret` says are secret.
        machine_ids: ids that the system gave to this machine.
        directory: the project's folder.
        arguments: those of the recorded command, without the program; None if not known.
    """

    homes: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    machine_ids: tuple[str, ...] = ()
    directory: str = ""
    arguments: tuple[str, ...] | None = field(default=None, repr=False)


class Needle(NamedTuple):
    """A text that is looked for.

    Attributes:
        kind: which sort of thing it is.
        what: what it is, in words, without saying it.
        text: the text itself.
        is_exact: whether capitals count.
        is_word: whether it must be a word of its own.
        is_path: whether nothing that a name is made of may be before it.
    """

    kind: str
    what: str
    text: bytes
    is_exact: bool = True
    is_word: bool = False
    is_path: bool = False


def looks_secret(name: str, value: str) -> bool:
    """Tell whether an environment variable may hold a secret, by its name and the value's form."""
    value = value.strip()
    if len(value) < _LEAST_SECRET or _NO_SECRET_VALUE.fullmatch(value):
        return False
    if _PASSWORD_IN_URL.search(value):
        return True
    return bool(_SECRET_NAME.search(name)) and not _NO_SECRET_NAME.search(name)


class Needles:
    """What is looked for in these surroundings.

    Args:
        surroundings: what is around the program.
        own_values: gives what the program says of itself, which may be in its arguments, too;
            asked for only where arguments are known.

    Attributes:
        wanted: the texts.
        looked_for: what they are, in words.
        not_looked_for: what is not looked for, and why, in words.
    """

    def __init__(self, surroundings: Surroundings, own_values: Callable[[], Iterable[str]]) -> None:
        self.wanted: list[Needle] = []
        self.looked_for: list[str] = []
        self.not_looked_for: list[str] = []
        self._secrets(surroundings.secrets)
        self._paths(HOME, "the path of your home folder", surroundings.homes)
        if surroundings.directory not in surroundings.homes:
            self._paths(DIRECTORY, "the path of the project's folder", (surroundings.directory,))
        self._names(USER, "your user name", surroundings.users)
        self._names(HOST, "this machine's name", _host_names(surroundings.hosts))
        self._addresses(ADDRESS, "IP address", surroundings.addresses)
        self._addresses(MAC, "MAC address", _mac_forms(surroundings.macs))
        self._machine(surroundings.machine_ids)
        self._arguments(surroundings.arguments, own_values)
        if len(self.wanted) > MAX_NEEDLES:
            beyond = len(self.wanted) - MAX_NEEDLES
            self.not_looked_for.append(f"the last {beyond:,} of all these: there are too many")
            del self.wanted[MAX_NEEDLES:]

    def _secrets(self, secrets: Sequence[tuple[str, str]]) -> None:
        names = []
        for name, value in secrets:
            secret = value.strip()
            if len(secret) < _LEAST_SECRET or secret.lower() in _OWN_WORDS:
                continue
            names.append(name)
            texts = {secret, *_PASSWORD_IN_URL.findall(secret)}
            texts |= {line.strip() for line in secret.splitlines() if len(line) >= _LEAST_LINE}
            what = f"the value of the environment variable {name}"
            self.wanted += [Needle(SECRET, what, as_bytes(text)) for text in sorted(texts)]
        if names:
            listed = ", ".join(sorted(names))
            self.looked_for.append(
                f"the values of environment variables that look secret: {listed}"
            )
        else:
            self.not_looked_for.append("environment variables: none looks secret")

    def _paths(self, kind: str, what: str, paths: Iterable[str]) -> None:
        wanted = {path.rstrip("/\\") for path in paths} - _NOBODYS_FOLDERS
        for path in sorted(wanted):
            for form in sorted({path, path.replace("\\", "/"), path.replace("/", "\\")}):
                self.wanted.append(Needle(kind, what, as_bytes(form), is_exact=False, is_path=True))
        if wanted:
            self.looked_for.append(what)
        else:
            self.not_looked_for.append(f"{what}: it is unknown, or not personal")

    def _names(self, kind: str, what: str, names: Iterable[str]) -> None:
        wanted = {name.lower() for name in names}
        telling = {name for name in wanted if looks_telling(name)}
        for name in sorted(telling):
            self.wanted.append(Needle(kind, what, as_bytes(name), is_exact=False, is_word=True))
        if telling:
            self.looked_for.append(what)
        else:
            self.not_looked_for.append(f"{what}: it is not known, too short, or many have it")

    def _addresses(self, kind: str, what: str, addresses: Iterable[str]) -> None:
        wanted = sorted({address.lower() for address in addresses} - {""})
        for address in wanted:
            words = f"{'an' if what[0] == 'I' else 'a'} {what} {OF_THIS_MACHINE}"
            self.wanted.append(Needle(kind, words, as_bytes(address), is_exact=False, is_word=True))
        if wanted:
            self.looked_for.append(f"every {what} {OF_THIS_MACHINE}")
        else:
            self.not_looked_for.append(f"every {what} {OF_THIS_MACHINE}: none is known")

    def _machine(self, ids: Iterable[str]) -> None:
        digits = {one.replace("-", "").strip().lower() for one in ids}
        wanted = sorted(one for one in digits if len(one) == _MACHINE_DIGITS and one.strip("0f"))
        for one in wanted:
            dashed = "-".join((one[:8], one[8:12], one[12:16], one[16:20], one[20:]))
            for form in (one, dashed):
                what = "the id of this machine"
                self.wanted.append(Needle(MACHINE, what, as_bytes(form), is_exact=False))
        if wanted:
            self.looked_for.append("the id of this machine")
        else:
            self.not_looked_for.append("the id of this machine: none is known")

    def _arguments(
        self, arguments: Sequence[str] | None, own_values: Callable[[], Iterable[str]]
    ) -> None:
        if arguments is None:
            self.not_looked_for.append(ARGUMENTS_ARE_NOT_KEPT)
            return
        allowed = _OWN_WORDS | {value.lower() for value in own_values()}
        words = {word for argument in arguments for word in (argument, unquote_plus(argument))}
        texts = {part for word in words for part in (word, word.partition("=")[2])}
        texts |= {part.strip() for text in texts for part in text.split(",")}
        texts = {text for text in texts if len(text.strip()) >= _LEAST_ARGUMENT}
        self.wanted += [
            Needle(
                ARGUMENT, "an argument of the command", as_bytes(text), is_exact=False, is_word=True
            )
            for text in sorted(texts)
            if text.lower() not in allowed
        ]
        self.looked_for.append("the command's arguments, of four letters or more")


def as_bytes(text: str) -> bytes:
    """Return a text as a payload has it, or as the system does where it is no proper text."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def looks_telling(name: str) -> bool:
    """Tell whether a name, in lower case, tells somebody or some machine from most others."""
    least = _LEAST_NUMBER if name.isdigit() else _LEAST_NAME
    return len(name) >= least and name not in _COMMON_NAMES and name not in _OWN_WORDS


def _host_names(hosts: Iterable[str]) -> Iterator[str]:
    for host in hosts:
        yield host
        if not host.replace(".", "").isdigit():
            yield host.partition(".")[0]


def _mac_forms(macs: Iterable[str]) -> Iterator[str]:
    for mac in macs:
        digits = mac.replace(":", "").replace("-", "").lower()
        if digits.strip("0") and digits.strip("f"):
            # As they are written, and as the last part of a UUID of version 1.
            pairs = [digits[at : at + 2] for at in range(0, len(digits), 2)]
            yield from (":".join(pairs), "-".join(pairs), digits)
