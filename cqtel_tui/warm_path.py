"""What a recording executes besides, once the user has chosen: `choices.json`, and the cookie.

On the hot path (DESIGN §11) as `hot_path` is, and one file for the same reason. Whatever is there
is not trusted before it has been looked at: no link is followed, a FIFO is not waited for, and a
file that somebody else may have written means off. `consent` has the rest of what concerns them.
"""

import os
import stat

from .hot_path import (
    DEBUG,
    DIGITS,
    FILE_NAME,
    LOWER,
    NO_DEBUG,
    NO_LINK,
    OFF,
    ON,
    USER,
    is_boolean,
    is_cookie,
    open_folder,
    sha256,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .hot_path import Chosen, Folders, Said

    Found = tuple[str, str | None, str, float | None]
    """A cookie's state, value, what makes it unsafe, and when it was written."""

MAX_BYTES = 256 * 1024
MAX_ENDPOINT = 2048
TRACES_PATH = "/v1/traces"
_MAX_PLAIN = 4096
_MAX_COOKIE = 64
_MAX_YES = 64
_VERSION = 1
_REPOSITORIES = (".git", ".hg", ".jj", ".svn")
_KEYS = frozenset({"version", "all", "projects"})
_CHOICES = frozenset({"telemetry", "debug", "endpoint", "catalogue", "consented", "yes"})
"""What a file of choices may say, as a whole and for a project; `spelling` looks at the rest."""

COOKIE_NAME = "telemetry-cookie"
COOKIES = "cookies"
"""The folder of the records of all cookies that were made on this machine."""
ABSENT = "absent"
PRESENT = "present"
LOCKED = "locked"
UNSAFE = "unsafe"

_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | NO_LINK
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH

_read_last: "tuple[bytes, Chosen | None, dict[str, Chosen]]" = (b"", None, {})
"""The bytes of a file of choices, and what they say: it is read twice, and seldom changed."""


def user_says(config: str, project: str, *named: str) -> "tuple[list[Said], list[Chosen]]":
    """Return what the user says of this project and of all, and those choices, narrowest first.

    A no for a project holds in everything beneath it, and where `named` is beneath it as well. A
    yes, an endpoint and debug mode are for the very folder that they were chosen for: what lies
    beneath may be somebody else's repository.
    """
    path = f"{config}/{FILE_NAME}"
    try:
        data = read_trusted(path, owners())
        if data is None:
            from .consent.choices import check_reached

            check_reached(config)
            return [], []
        check_folder(config)
        every, projects = _chosen(data)
    except ValueError as problem:
        return [(USER, OFF, path, str(problem))], []
    said: list[Said] = []
    chosen = [every]
    if projects:
        # Keyed by real path; a link to a project is that project.
        names = dict.fromkeys((os.path.realpath(project), project))
        chosen = [projects[name] for name in names if name in projects] + chosen
        said += _noes_around(projects, names, named, path)
    for choice in chosen:
        telemetry, debug = choice[:2]
        note = f"you said so for {'all projects' if choice is every else 'this project'}"
        if telemetry is not None:
            said.append((USER, telemetry, path, note))
        if debug is not None:
            said.append((USER, DEBUG if debug else NO_DEBUG, path, note))
    return said, chosen


def _noes_around(
    projects: "dict[str, Chosen]", names: "dict[str, None]", named: "tuple[str, ...]", path: str
) -> "list[Said]":
    """Return what the user refused for a project that this one, or a named folder, lies in."""
    said: list[Said] = []
    around: dict[tuple[int, int], None] = {}
    for where, choice in projects.items():
        noes = [OFF] * (choice[0] == OFF) + [NO_DEBUG] * (choice[1] is False)
        if where in names or not noes:
            continue
        if not around:
            around = _identities([*names, *named])
        inside = where.rstrip(os.sep) + os.sep
        if not any([(start + os.sep).startswith(inside) for start in (*names, *named)]):
            # By another name, such as one with a link in it, it may be the same folder.
            try:
                status = os.stat(where)  # noqa: PTH116  # pathlib costs 13 ms
            except (OSError, ValueError):
                continue
            if (status.st_dev, status.st_ino) not in around:
                continue
        said += [(USER, no, path, f"you said so for {where}, which this lies in") for no in noes]
    return said


def _identities(starts: "list[str]") -> "dict[tuple[int, int], None]":
    """Return what tells each of these folders, and each above them, from all others."""
    found: dict[tuple[int, int], None] = {}
    for start in starts:
        folder = start
        while True:
            try:
                status = os.stat(folder or os.sep)  # noqa: PTH116
                found[status.st_dev, status.st_ino] = None
            except OSError:
                pass
            if not folder or os.sep not in folder:
                break
            folder = folder.rpartition(os.sep)[0]
    return found


def moved_says(places: "Folders", chosen: "list[Chosen]", project: str, home: str) -> "list[Said]":
    """Return a no where what was chosen may have come with the repository that this is asked in.

    A variable can move the choices anywhere, also into a repository, which is never to say yes, nor
    to name an endpoint. The home folder, and what is above it, may be under version control.
    """
    config, state, _ = places
    if not any([choice[0] == ON or choice[1] or choice[2] for choice in chosen]):
        return []
    real = [os.path.realpath(folder) + os.sep for folder in (config, state)]
    at = project
    while at and not (home + os.sep).startswith(at + os.sep):
        if any([folder.startswith(at + os.sep) for folder in real]):
            for mark in _REPOSITORIES:
                try:
                    os.lstat(f"{at}/{mark}")
                except OSError:
                    continue
                note = f"it lies in the repository {at}, which is not to answer for you"
                return [(USER, OFF, f"{config}/{FILE_NAME}", note)]
        at = at.rpartition(os.sep)[0]
    return []


def _chosen(data: bytes) -> "tuple[Chosen, dict[str, Chosen]]":
    """Return what the bytes of a file of choices say for all projects, and for each."""
    global _read_last  # noqa: PLW0603  # asked twice, of the same file
    known, every, projects = _read_last
    if every is None or known != data:
        every, projects = checked_choices(parsed(data))
        _read_last = data, every, projects
    return every, projects


def checked_choices(content: "Mapping[str, object]") -> "tuple[Chosen, dict[str, Chosen]]":
    """Return the choice for all projects, and those for one each by real path.

    Raises:
        UntrustedFileError: one of them is not what it may be.
    """
    top: tuple[str | None, bool | None] = (None, None)
    if content.get("version", 1) is not _VERSION or not _KEYS.issuperset(content):
        from .consent.choices import check_top

        top = check_top(content)
    projects = content.get("projects", {})
    if not isinstance(projects, dict):
        raise untrusted('"projects" is not an object')
    for where in projects:
        if not os.path.isabs(where):  # noqa: PTH117  # pathlib costs 13 ms
            raise untrusted(f'"projects" has {where!r}, which is not an absolute path')
    every = _checked(content.get("all", {}), '"all"')
    if top[0] or top[1] is False:
        every = (top[0] or every[0], every[1] if top[1] is None else False, *every[2:])
    return every, {
        where: _checked(chosen, f'"projects": {where!r}') for where, chosen in projects.items()
    }


def _checked(content: object, where: str) -> "Chosen":
    if not isinstance(content, dict):
        raise untrusted(f"{where} is not an object")
    telemetry = content.get("telemetry")
    debug = content.get("debug")
    endpoint = content.get("endpoint")
    catalogue = content.get("catalogue", 0)
    consented = content.get("consented", 0)
    # One that was saved without an id is told from others by its time, which is never compared.
    yes = content.get("yes", str(consented))
    if telemetry not in {"on", "off"} if type(telemetry) is str else "telemetry" in content:
        from .consent.choices import telemetry_of

        telemetry = telemetry_of(telemetry, _not_a_choice(where))
    if telemetry == "on" and not catalogue:
        raise untrusted(_not_a_choice(where))
    if debug is not None and not is_boolean(debug):
        raise untrusted(f'{where} has a "debug" that is not true or false')
    if endpoint is not None and (problem := endpoint_problem(endpoint)):
        raise untrusted(f'{where} has an "endpoint" that cannot be used: {problem}')
    for number in (catalogue, consented):
        if type(number) is not int or number < 0:
            raise untrusted(f'{where} has a "catalogue" or "consented" that is not a number')
    if not isinstance(yes, str) or not 0 < len(yes) <= _MAX_YES:
        raise untrusted(f'{where} has a "yes" that is not an id')
    if not _CHOICES.issuperset(content):
        from .consent.choices import check_others

        check_others(content, _CHOICES)
    return telemetry, debug, endpoint and with_path(endpoint), catalogue, consented, yes


def _not_a_choice(where: str) -> str:
    return f'{where} has a "telemetry" that is not "off", nor "on" with its "catalogue"'


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


def owners(*others: int) -> "set[int]":
    """Return who may own a file: this user, and `others`; nobody where files tell no owner."""
    return {os.geteuid(), *others} if hasattr(os, "geteuid") else set()


def read_trusted(
    path: str, owners: "set[int] | None", folder: "int | None" = None
) -> "bytes | None":
    """Return what is in a file that only its owners can change; None if there is no file.

    Raises:
        UntrustedFileError: it is something else, or cannot be read.
    """
    try:
        opened = os.open(path, _READ) if folder is None else os.open(path, _READ, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        from .consent.choices import why_closed

        raise why_closed(path, folder, error) from None
    try:
        status = os.fstat(opened)
        if not stat.S_ISREG(status.st_mode):
            raise untrusted("it is not a regular file")
        if owners and status.st_uid not in owners:
            raise untrusted(f"it belongs to another user (uid {status.st_uid})")
        if owners and _is_writable_by_others(status, opened):
            raise untrusted("it can be written by others; use chmod go-w")
        data = b""
        while part := os.read(opened, MAX_BYTES + 1 - len(data)):
            data += part
    except OSError as error:
        raise untrusted(f"it cannot be read: {error.strerror}") from None
    finally:
        os.close(opened)
    return data


def check_folder(folder: str) -> None:
    """Make sure that nobody else can put another file in a file's place.

    Raises:
        UntrustedFileError: somebody else can.
    """
    may_own = owners(0)
    try:
        status = os.stat(folder)  # noqa: PTH116
    except OSError as error:
        raise untrusted(f"its folder cannot be read: {error.strerror}") from None
    if may_own and status.st_uid not in may_own:
        raise untrusted(f"its folder belongs to another user (uid {status.st_uid})")
    if may_own and _is_writable_by_others(status, folder):
        raise untrusted("its folder can be written by others; use chmod go-w")


def _is_writable_by_others(status: "os.stat_result", what: "int | str") -> bool:
    """Tell whether somebody besides its owner may write to what is open, or has this path."""
    if not status.st_mode & _WRITABLE_BY_OTHERS:
        return False
    if status.st_mode & stat.S_IWOTH:
        return True
    from .consent.choices import is_private

    return not is_private(status, what)


def parsed(data: bytes) -> "dict[str, object]":
    """Return the object that a file's bytes hold.

    Raises:
        UntrustedFileError: they are too many, or no strict JSON object.
    """
    if len(data) > MAX_BYTES:
        raise untrusted(f"it is larger than {MAX_BYTES} bytes")
    try:
        text = data.decode()
        content = plain_object(text)
        if content is None:
            from ._bare import parse

            content = parse(text)
    except (ValueError, RecursionError) as error:
        raise untrusted(f"it is not JSON that we can read: {error}") from None
    if not isinstance(content, dict):
        raise untrusted("it is not a JSON object")
    return content


def plain_object(text: str) -> object:
    """Return the object in a JSON text that is plain; None if `_bare.parse` is to look at it.

    Plain is what `saving` writes: objects, strings without escapes, whole numbers and literals.
    Loading a library to parse as much takes longer than to record does.
    """
    pieces = text.split('"')  # what is between strings, and every other one a string
    if "\\" in text or len(text) > _MAX_PLAIN or not len(pieces) % 2:
        return None
    words: list[str] = []
    for at, piece in enumerate(pieces):
        if at % 2:
            words.append('"' + piece)
        else:
            for mark in "\n{}:,":
                piece = piece.replace(mark, f" {mark} " if mark != "\n" else " ")  # noqa: PLW2901
            words += piece.split(" ")
        if not piece.isprintable():
            return None
    words = [word for word in words if word]
    words.reverse()
    try:
        value = _plain_value(words)
    except (ValueError, IndexError, RecursionError):
        return None
    return None if words else value


def _plain_value(words: "list[str]") -> object:
    """Take one value from the end of `words`, strings with a quotation mark before them."""
    word = words.pop()
    if word[0] == '"':
        return word[1:]
    if word == "{":
        found: dict[str, object] = {}
        if words[-1] == "}":
            words.pop()
            return found
        while word != "}":
            key = words.pop()
            if key[0] != '"' or key[1:] in found or words.pop() != ":":
                raise ValueError(key)
            found[key[1:]] = _plain_value(words)
            word = words.pop()
            if word not in {",", "}"}:
                raise ValueError(word)
        return found
    if word in {"true", "false"}:
        return word == "true"
    if word == "null":
        return None
    if word.strip(DIGITS) or (word[0] == "0" and word != "0"):
        raise ValueError(word)
    return int(word)


def untrusted(reason: str) -> ValueError:
    """Return the error of a file that cannot be read, parsed or trusted; it means off."""
    from .errors import UntrustedFileError

    return UntrustedFileError(reason)


def look_at_cookie(directory: str, state: str, name: str = COOKIE_NAME) -> "Found":
    """Return what is found where the cookie of the project in `directory` is, untouched.

    Args:
        directory: the project.
        state: the state folder, with the records of the cookies that were made here.
        name: the file's; what earlier releases made is looked at, and never used.
    """
    try:
        folder = open_folder(directory)
    except FileNotFoundError:
        return ABSENT, None, "", None
    except OSError as error:
        from .consent.cookie import folder_problem

        return UNSAFE, None, folder_problem(directory, error), None
    try:
        found = cookie_in(folder, name)
        if found[1] is None or name != COOKIE_NAME:
            return found
        problem = _not_made_here(found[1], state, folder, directory)
        return (UNSAFE, None, problem, None) if problem else found
    finally:
        os.close(folder)


def _not_made_here(value: str, state: str, folder: int, directory: str) -> str:
    """Say why a cookie is not believed to have been made here, for this folder; empty if it is.

    Whoever knows it reads and erases what a collector has of it, so that one which came with a
    repository is its author's key, not the user's.
    """
    try:
        record = read_trusted(cookie_record(state, value), owners())
    except ValueError as problem:
        return f"the record of it cannot be trusted: {problem}"
    if record is None:
        return (
            "it was not made on this machine by this version: it came with this folder, or is older"
        )
    identity, _, path = record.partition(b"\n")
    if identity == identity_of(folder) or path == os.fsencode(directory):
        return ""
    return f"it was made for {os.fsdecode(path) or 'another folder'}, and copied here"


def cookie_record(state: str, value: str) -> str:
    """Return the file that says which folder a cookie was made for; its name does not tell it."""
    return f"{state}/{COOKIES}/{sha256(value.encode())}"


def identity_of(folder: int) -> bytes:
    """Return what tells an open folder from all others of this machine."""
    status = os.fstat(folder)
    return f"{status.st_dev} {status.st_ino}".encode()


def cookie_in(folder: int, name: str) -> "Found":
    """Return what is found under this name in an open folder."""
    try:
        opened = os.open(name, _READ, dir_fd=folder)
    except FileNotFoundError:
        return ABSENT, None, "", None
    except OSError as error:
        from .consent.cookie import why_closed

        return why_closed(folder, name, error)
    reason = ""
    try:
        status = os.fstat(opened)
        if stat.S_ISDIR(status.st_mode):
            return LOCKED, None, "", None
        if not stat.S_ISREG(status.st_mode):
            reason = "it is not a regular file"
        elif status.st_uid != os.geteuid():
            reason = f"it belongs to another user (uid {status.st_uid})"
        elif status.st_mode & stat.S_IWOTH:
            reason = "everybody may write it"
        else:
            data = os.read(opened, _MAX_COOKIE + 1)
            value = data.decode("ascii", "replace").strip()
            if len(data) <= _MAX_COOKIE and is_cookie(value):
                return PRESENT, value, "", status.st_mtime
            reason = "it does not hold a random UUID (version 4)"
    except OSError as error:
        reason = f"it cannot be read: {error.strerror}"
    finally:
        os.close(opened)
    return UNSAFE, None, reason, None


def cookie_of(directory: str, state: str, *, create: bool) -> "str | None":
    """Return the cookie's value, made now if there is none and `create`; None without one."""
    how, value, _, _ = look_at_cookie(directory, state)
    if create and how == ABSENT:
        from .consent.cookie import read_or_create

        return read_or_create(directory, state)
    return value
