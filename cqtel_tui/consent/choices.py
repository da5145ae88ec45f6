"""Read what was chosen: `choices.json` of the user and of an administrator, and a project's file.

On the hot path (DESIGN §11) wherever such a file is there. Writing is `saving`'s. A file that
cannot be read, parsed or trusted is never taken for silence: its `problem` means off.
"""

import os
import stat

from ..catalogue import is_boolean
from . import (
    ADMIN,
    DEBUG,
    FILE_NAME,
    HAS_DIR_FD,
    NO_DEBUG,
    OFF,
    OPEN_FOLDER,
    PROJECT,
    PROJECT_FILE,
    PROJECT_FOLDER,
    USER,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from . import Said

MAX_BYTES = 256 * 1024
MAX_ENDPOINT = 2048
_IN_HOST_NAMES = "abcdefghijklmnopqrstuvwxyz0123456789.-_"

_READ = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO answers at once instead of holding the program
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class Choice:
    """What one user chose, for all projects or for one.

    Attributes:
        telemetry: `on`, `off` or None (not decided).
        debug: True (error texts too), False (never) or None (not decided).
        endpoint: the URL to deliver to, or None.
        catalogue: the catalogue version that an `on` was given for; 0 without one.
        consented: when the `on` begins to hold, in nanoseconds since 1970. Payloads recorded
            before it were not part of the yes.
    """

    __slots__ = ("catalogue", "consented", "debug", "endpoint", "telemetry")

    def __init__(
        self,
        telemetry: "str | None" = None,
        *,
        debug: "bool | None" = None,
        endpoint: "str | None" = None,
        catalogue: int = 0,
        consented: int = 0,
    ) -> None:
        self.telemetry = telemetry
        self.debug = debug
        self.endpoint = endpoint
        self.catalogue = catalogue
        self.consented = consented


class Choices:
    """One file of choices, as read.

    Attributes:
        path: the file.
        problem: why it cannot be trusted, as a sentence's end; None if it can, or is absent.
        every: the choice for all projects.
        projects: the choices for one project each, by real path.
        content: the parsed file, with the keys that we do not know.
    """

    __slots__ = ("content", "every", "path", "problem", "projects")

    def __init__(
        self,
        path: str,
        problem: "str | None" = None,
        every: "Choice | None" = None,
        projects: "Mapping[str, Choice] | None" = None,
        content: "Mapping[str, object] | None" = None,
    ) -> None:
        self.path = path
        self.problem = problem
        self.every = every or Choice()
        self.projects = projects or {}
        self.content = content or {}


class UntrustedFileError(Exception):
    """A file that cannot be read, parsed or trusted; the message says why. Means off."""


def user_says(config: str, project: str) -> "tuple[list[Said], list[Choice | None]]":
    """Return what the user says of this project and of all, and those choices, narrowest first."""
    read = read_user(config)
    if read.problem is not None:
        return [(USER, OFF, read.path, read.problem)], []
    said: list[Said] = []
    chosen: list[Choice | None] = [read.every]
    if read.projects:
        # Keyed by real path; a link to a project is that project.
        names = dict.fromkeys((os.path.realpath(project), project))
        chosen = [read.projects.get(name) for name in names] + chosen
    for choice in chosen:
        if choice is not None:
            note = f"you said so for {'all projects' if choice is read.every else 'this project'}"
            if choice.telemetry is not None:
                said.append((USER, choice.telemetry, read.path, note))
            if choice.debug is not None:
                said.append((USER, DEBUG if choice.debug else NO_DEBUG, read.path, note))
    return said, chosen


def policy_says(folder: str) -> "list[Said]":
    """Return what an administrator's policy in `folder` says: it can refuse, and nothing else."""
    return _refusals(ADMIN, read_policy(folder))


def project_says(directory: str) -> "list[Said]":
    """Return what the project in `directory` says: it can refuse, and nothing else."""
    return _refusals(PROJECT, read_project(directory))


def _refusals(layer: str, read: "Choices") -> "list[Said]":
    if read.problem is not None:
        return [(layer, OFF, read.path, read.problem)]
    said: list[Said] = []
    if read.every.telemetry == OFF:
        said.append((layer, OFF, read.path, ""))
    if read.every.debug is False:
        said.append((layer, NO_DEBUG, read.path, ""))
    return said


def read_user(config: str) -> "Choices":
    """Return the user's own choices from the folder `config`."""
    path = os.path.join(config, FILE_NAME)  # noqa: PTH118  # pathlib costs 13 ms here
    try:
        content = _load(path, _owners())
        if content is None:
            return Choices(path)
        check_folder(config)
        return understand(path, content)
    except UntrustedFileError as problem:
        return Choices(path, str(problem))


def understand(path: str, content: "Mapping[str, object]") -> "Choices":
    """Return the user's choices that the parsed `content` of the file `path` holds.

    Raises:
        UntrustedFileError: one of them is not what it may be.
    """
    projects = content.get("projects", {})
    if not isinstance(projects, dict):
        raise UntrustedFileError('"projects" is not an object')
    return Choices(
        path,
        None,
        _choice(content.get("all", {}), '"all"'),
        {where: _choice(chosen, f'"projects": {where!r}') for where, chosen in projects.items()},
        content,
    )


def check_folder(folder: str) -> None:
    """Make sure that nobody else can put another file in a file's place.

    Raises:
        UntrustedFileError: somebody else can.
    """
    owners = _owners(0)
    try:
        status = os.stat(folder)  # noqa: PTH116
    except OSError as error:
        raise UntrustedFileError(f"its folder cannot be read: {error.strerror}") from None
    if owners and status.st_uid not in owners:
        raise UntrustedFileError(f"its folder belongs to another user (uid {status.st_uid})")
    if owners and status.st_mode & _WRITABLE_BY_OTHERS:
        raise UntrustedFileError("its folder can be written by others; use chmod go-w")


def read_policy(folder: str) -> "Choices":
    """Return an administrator's policy from `folder`: `{"telemetry": "off", "debug": false}`."""
    path = os.path.join(folder, FILE_NAME)  # noqa: PTH118
    try:
        content = _load(path, _owners(0))
        return Choices(path) if content is None else Choices(path, None, _refusal(content))
    except UntrustedFileError as problem:
        return Choices(path, str(problem))


def read_project(directory: str = ".") -> "Choices":
    """Return what the project in `directory` says: it can refuse, and nothing else.

    It came with a repository, so that its folder is opened without following a link, and a file
    that asks for more than it may is not trusted at all.
    """
    folder = os.path.join(directory, PROJECT_FOLDER)  # noqa: PTH118
    path = os.path.join(folder, PROJECT_FILE)  # noqa: PTH118
    opened = None
    try:
        if HAS_DIR_FD:
            try:
                opened = os.open(folder, OPEN_FOLDER)
            except FileNotFoundError:
                return Choices(path)
            except OSError as error:
                raise UntrustedFileError(
                    f"{PROJECT_FOLDER} is a link or cannot be opened ({error.strerror})"
                ) from None
            content = _load(PROJECT_FILE, _owners(0), opened)
        elif os.path.islink(folder):  # noqa: PTH114
            raise UntrustedFileError(f"{PROJECT_FOLDER} is a link")
        else:
            content = _load(path, None)
        return Choices(path) if content is None else Choices(path, None, _refusal(content))
    except UntrustedFileError as problem:
        return Choices(path, str(problem))
    finally:
        if opened is not None:
            os.close(opened)


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
    return "it is not https (http is for this machine alone)"


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
    return not host.lower().strip(_IN_HOST_NAMES)


def _is_ipv4(host: str) -> bool:
    numbers = host.split(".")
    return (
        len(numbers) == 4  # noqa: PLR2004  # of one byte each, in decimal, without leading zeros
        and host.isascii()
        and all(n.isdigit() and len(n) <= 3 and str(int(n)) == n for n in numbers)  # noqa: PLR2004
        and all(int(n) < 256 for n in numbers)  # noqa: PLR2004
    )


def _owners(*others: int) -> "set[int]":
    """Return who may own a file: this user, and `others`; nobody where files tell no owner."""
    return {os.geteuid(), *others} if hasattr(os, "geteuid") else set()


def _load(
    path: str, owners: "set[int] | None", folder: "int | None" = None
) -> "dict[str, object] | None":
    """Return the object in a file that only its owner can change; None if there is no file."""
    try:
        opened = os.open(path, _READ) if folder is None else os.open(path, _READ, dir_fd=folder)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise UntrustedFileError("its folder is not a folder") from None
    except OSError as error:
        is_link = _is_link(path, folder)
        reason = "it is a link" if is_link else f"it cannot be read: {error.strerror}"
        raise UntrustedFileError(reason) from None
    try:
        status = os.fstat(opened)
        if not stat.S_ISREG(status.st_mode):
            raise UntrustedFileError("it is not a regular file")
        if owners and status.st_uid not in owners:
            raise UntrustedFileError(f"it belongs to another user (uid {status.st_uid})")
        if owners and status.st_mode & _WRITABLE_BY_OTHERS:
            raise UntrustedFileError("it can be written by others; use chmod go-w")
        data = b""
        while part := os.read(opened, MAX_BYTES + 1 - len(data)):
            data += part
    except OSError as error:
        raise UntrustedFileError(f"it cannot be read: {error.strerror}") from None
    finally:
        os.close(opened)
    return parsed(data)


def _is_link(path: str, folder: "int | None") -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path, dir_fd=folder).st_mode)
    except OSError:
        return False


def parsed(data: bytes) -> "dict[str, object]":
    """Return the object that a file's bytes hold.

    Raises:
        UntrustedFileError: they are too many, or no strict JSON object.
    """
    from .._bare import parse

    if len(data) > MAX_BYTES:
        raise UntrustedFileError(f"it is larger than {MAX_BYTES} bytes")
    try:
        content = parse(data.decode())
    except (ValueError, RecursionError) as error:
        raise UntrustedFileError(f"it is not JSON that we can read: {error}") from None
    if not isinstance(content, dict):
        raise UntrustedFileError("it is not a JSON object")
    return content


def _choice(content: object, where: str) -> "Choice":
    if not isinstance(content, dict):
        raise UntrustedFileError(f"{where} is not an object")
    telemetry = content.get("telemetry")
    debug = content.get("debug")
    endpoint = content.get("endpoint")
    catalogue = content.get("catalogue", 0)
    consented = content.get("consented", 0)
    if telemetry not in (None, "on", "off") or (telemetry == "on" and not catalogue):
        raise UntrustedFileError(
            f'{where} has a "telemetry" that is not "off", nor "on" with its "catalogue"'
        )
    if debug is not None and not is_boolean(debug):
        raise UntrustedFileError(f'{where} has a "debug" that is not true or false')
    if endpoint is not None and (problem := endpoint_problem(endpoint)):
        raise UntrustedFileError(f'{where} has an "endpoint" that cannot be used: {problem}')
    if not all(type(number) is int and number >= 0 for number in (catalogue, consented)):
        raise UntrustedFileError(f'{where} has a "catalogue" or "consented" that is not a number')
    return Choice(
        telemetry, debug=debug, endpoint=endpoint, catalogue=catalogue, consented=consented
    )


def _refusal(content: "Mapping[str, object]") -> "Choice":
    """Return a choice that can only refuse; whatever asks for more is not trusted."""
    refusal = Choice()
    # A no counts as well where a user's own file has it.
    for scope in (content, content.get("all", {})):
        if not isinstance(scope, dict):
            raise UntrustedFileError('its "all" is not an object')
        telemetry, debug = scope.get("telemetry"), scope.get("debug")
        if telemetry not in (None, "off") or not (debug is None or debug is False):
            raise UntrustedFileError('it may only say "telemetry": "off" or "debug": false')
        if "endpoint" in scope or "projects" in scope:
            raise UntrustedFileError("it names an endpoint or projects, which are not its to name")
        refusal.telemetry = telemetry or refusal.telemetry
        refusal.debug = refusal.debug if debug is None else False
    return refusal
