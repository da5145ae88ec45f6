"""Save choices: whole or not at all, never over a file that could not be read unless asked to."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalogue import CATALOGUE_VERSION, is_name
from ..errors import CqtelError, UntrustedFileError, what_to_do
from ..files import create_beside, locked, make_folder, sync_folder
from . import FILE_NAME, UNNAMED, VERSION
from .choice_file import migrated, parsed
from .choices import Choices, read_user, understand
from .endpoint import endpoint_problem, with_path
from .foreign import refuse_foreign
from .trusted import check_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from . import Program

_LEASE_SECONDS = 5.0


class ChoicesUnreadableError(CqtelError):
    """The file of choices cannot be trusted, so that it is not written over."""


def check_program(program: Program) -> None:
    """Make sure that choices can be made for a program of this name; None stands for all.

    Raises:
        CqtelError: they cannot.
    """
    if program is not None and (program == UNNAMED or not is_name(program)):
        raise CqtelError(
            f"{program!r} is no program's name. Give it as cq-telemetry pending lists it: letters, "
            "digits, dots, hyphens and underscores."
        )


def decide_telemetry(
    telemetry: str | None, contract: str | None = None, *, now: int | None = None
) -> dict[str, Any]:
    """Return the change that says `on`, `off` or None (undecided).

    Each yes has an id of its own. It covers what is recorded under it; what was recorded before is
    covered only where `outbox.included` lists it.

    Args:
        telemetry: the new choice.
        contract: the SHA-256 of the program's contract that was shown; None for none.
        now: nanoseconds since 1970.
    """
    if telemetry != "on":
        gone = ("catalogue", "consented", "yes", "contract")
        return {"telemetry": telemetry, **dict.fromkeys(gone)}
    return {
        "telemetry": "on",
        "catalogue": CATALOGUE_VERSION,
        "consented": time.time_ns() if now is None else now,
        "yes": os.urandom(8).hex(),
        "contract": contract,
    }


def decide_debug(debug: bool) -> dict[str, Any]:  # noqa: FBT001  # it is the choice itself
    """Return the change that lets error texts be recorded, or no longer asks for them."""
    return {"debug": True if debug else None}


def decide_endpoint(url: str | None) -> dict[str, Any]:
    """Return the change of the URL to deliver to, its path added if it has none; None for nowhere.

    Raises:
        CqtelError: payloads may not be sent there.
    """
    if url is not None and (problem := endpoint_problem(url)):
        raise CqtelError(
            f"{url} cannot be an endpoint: {problem}. Give a URL such as "
            "https://collector.example/v1/traces, or none."
        )
    return {"endpoint": url and with_path(url)}


def saved_choice(
    read: Choices, keys: Iterable[str], program: Program, project: str | None
) -> dict[str, Any]:
    """Return what is saved under these keys for just this program and project; None for nothing.

    A file of version 1 is taken for what it becomes when it is saved.
    """
    whose: object = migrated(read.content)
    if program is not None:
        whose = _within(_within(whose, "programs"), program)
    chosen = _within(whose, "all")
    if project is not None:
        chosen = _within(_within(whose, "projects"), os.path.realpath(project))
    return {key: _within(chosen, key) for key in keys}


def _within(content: object, key: str) -> object:
    return content.get(key) if isinstance(content, dict) else None


def save(
    config: str,
    change: Mapping[str, Any],
    *,
    program: Program = None,
    project: str | None = None,
    replace_unreadable: bool = False,
) -> Choices:
    """Save a change of the user's choices, and return them as they are read back.

    Other keys of the file stay as they are. Two processes that save at once lose nothing.

    Args:
        config: the folder of `choices.json`; made if it is not there (mode 0700).
        change: keys and their new values; None removes a key.
        program: the program it is for; None for all programs.
        project: the project it is for; None for all projects.
        replace_unreadable: set a file that cannot be trusted aside, and begin a new one.

    Raises:
        ChoicesUnreadableError: the file cannot be trusted, and was left as it is.
        CqtelError: it could not be written.
    """
    path = Path(config) / FILE_NAME
    check_program(program)
    refuse_foreign(config)
    where = None if project is None else os.path.realpath(project)
    try:
        make_folder(config)
        check_folder(config)
        with locked(path.with_name(f".{FILE_NAME}.lock"), lease=_LEASE_SECONDS):
            # Where there are no locks, somebody may write at the same time: that is seen, too.
            scope = (program, where)
            while not _change(path, change, scope, replace_unreadable=replace_unreadable):
                pass
    except (UntrustedFileError, RecursionError) as problem:
        raise CqtelError(
            f"{path} was not written, for it could not be read again: {problem}. "
            "It was left as it is. Fix that, and try again."
        ) from problem
    except OSError as error:
        raise CqtelError(
            f"{path} could not be written: {error.strerror}. {what_to_do(error)}. cq-telemetry "
            "status shows the decision; DO_NOT_TRACK=1 in the environment opts out without a file."
        ) from error
    return read_user(config)


def _change(
    path: Path,
    change: Mapping[str, Any],
    scope: tuple[Program, str | None],
    *,
    replace_unreadable: bool,
) -> bool:
    """Change what is in the file; tell whether nobody else did meanwhile, who would lose it."""
    stamp = _stamp(path)
    before = read_user(str(path.parent))
    if before.problem is not None and not replace_unreadable:
        raise ChoicesUnreadableError(
            f"{path}: {before.problem}. It counts as off, and was left as it is. Fix it, or start "
            "anew with --replace-unreadable, which sets the old file aside."
        )
    content = migrated(before.content)
    _apply(content, change, *scope)
    return _write(path, _encoded(content), stamp, keep_old=before.problem is not None)


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes whenever another file takes the place of this one."""
    try:
        status = path.lstat()
    except OSError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size


def _apply(
    content: dict[str, Any], change: Mapping[str, Any], program: Program, project: str | None
) -> None:
    content["version"] = VERSION
    whose = content
    if program is not None:
        whose = content.setdefault("programs", {}).setdefault(program, {})
    scope = whose if project is None else whose.setdefault("projects", {})
    chosen = scope.setdefault("all" if project is None else project, {})
    for key, value in change.items():
        if whose is content and project is None:
            content.pop(key, None)  # a person may have written a no there, for all projects
        if value is not None:
            chosen[key] = value
        elif chosen.get(key) is not False:  # a lasting no ends by a yes alone
            chosen.pop(key, None)
    if project is not None and not chosen:
        del scope[project]


def _encoded(content: Mapping[str, Any]) -> bytes:
    """Return the file's bytes, having made sure that they can be read again."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    data = text.encode("utf-8", "backslashreplace")  # which is how JSON writes a lone surrogate
    understand(FILE_NAME, parsed(data))
    return data


def _write(path: Path, data: bytes, stamp: tuple[int, ...], *, keep_old: bool) -> bool:
    """Write by a temporary file, fsync, rename and fsync of the folder.

    Returns:
        whether it was written: it was not if the file is another than it was at its `stamp`.
    """
    temporary = Path(create_beside(path, data, sync=True))
    try:
        if _stamp(path) != stamp:
            return False
        if keep_old:
            _keep(path)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def _keep(path: Path) -> None:
    """Give what is there another name beside its own, which the new file takes over."""
    aside = path.with_name(f"{path.name}.unreadable-{time.time_ns()}")
    try:
        # A second name first: at no moment is there no file, which would not mean off.
        os.link(path, aside, follow_symlinks=False)
    except (OSError, NotImplementedError):
        path.rename(aside)  # a folder, another user's file, or a system without such names
