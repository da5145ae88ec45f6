"""Find the binary of a program, and its version: asked for once, and remembered.

A binary is known by its path, size and time of change. A script, or a link to a program of another
name, may stand for many versions, as the shims of asdf, mise and pyenv do: it is known by the
folder that it was asked in as well, and asked again a day later. Whatever gives no version is asked
again no sooner either.

Only what the user's own command runs is ever asked: nothing is looked for in the current folder.

Lean (DESIGN §11): a launcher looks up what is remembered before its gate has started. Only who has
to ask, or to write down an answer, pays for what that takes.
"""

import os
import time

from ..catalogue import is_date, is_version
from ..files import make_folder, read, replace
from ..formats.bare_json import parse
from ..outbox.writing import project_mark
from .executing import is_native
from .prefixes import plain_name
from .recognising import is_name_of
from .records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .profiles import Invocation, Profile

CACHE = "versions.json"
DAY_SECONDS = 24 * 60 * 60
_MAX_ENTRIES = 100
_MAX_CACHE_BYTES = 64 * 1024
_SHIMS = "shims"
"""What asdf, mise, pyenv, proto and scoop call the folder of theirs."""
_CHOOSING = ("ASDF_", "MISE_", "PYENV_", "RTX_")
"""How the variables begin that choose a version, and end in `_VERSION`."""


@record(frozen=True)
class Reported:
    """What a program has reported of itself.

    Attributes:
        version: its version; empty if it tells none, None if it did not answer in time.
        build_date: when it was built; empty where it does not tell.
        is_whole: whether it has answered all that it was asked.
    """

    version: "str | None"
    build_date: str = ""
    is_whole: bool = True


def ask(
    binary: str, profile: "Profile", environment: "Mapping[str, str]", *, folder: "str | None"
) -> Reported:
    """Ask a program for its version (see `asking.ask`).

    Raises:
        OSError: it cannot be run.
    """
    from .asking import ask as run_and_read

    return run_and_read(binary, profile, environment, folder=folder)


def substitute(invocation: "Invocation", environment: "Mapping[str, str]") -> "str | None":
    """Return the binary that a Python package has brought, for a bare name that `PATH` has not."""
    name = invocation.prefix[0]
    if invocation.through_python or not _is_bare(name) or any(_on_path(name, environment)):
        return None
    if not invocation.profile.module:
        return None
    from sysconfig import get_path

    ours = os.path.realpath(__file__).rsplit(os.sep, 3)[0]
    folders = [ours, get_path("purelib"), get_path("platlib")]
    return next(filter(_is_program, _packaged(invocation.profile, folders)), None)


def find_binary(invocation: "Invocation", environment: "Mapping[str, str]") -> "str | None":
    """Return the program's file that a command line runs; None if it cannot be told from here."""
    name = invocation.prefix[0]
    places = _on_path(name, environment) if _is_bare(name) else [name]
    program = next(filter(_is_program, places), None)
    if program is None or not invocation.through_python:
        return program and _absolute(program)
    # The interpreter's own packages, as venv, Unix and Windows lay them out. Where a folder has
    # those of several interpreters, there is no telling.
    root = os.path.dirname(os.path.dirname(_absolute(program)))  # noqa: PTH120  # lean
    libraries = [name for name in _names_in(f"{root}/lib") if name.startswith("python3")]
    folders = [f"{root}/lib/{name}/site-packages" for name in libraries]
    folders.append(f"{root}/Lib/site-packages")
    binaries = {*filter(_is_program, _packaged(invocation.profile, folders))}
    return binaries.pop() if len(binaries) == 1 else None


def _absolute(path: str) -> str:
    """Return a path that begins at the root; `..` stays, as it may lead through a link."""
    return os.path.join(os.getcwd(), path.removeprefix(f".{os.sep}"))  # noqa: PTH109, PTH118  # lean


def _names_in(folder: str) -> "list[str]":
    try:
        return os.listdir(folder)  # noqa: PTH208  # lean
    except OSError:
        return []


def _is_bare(name: str) -> bool:
    return "/" not in name and os.sep not in name


def _on_path(name: str, environment: "Mapping[str, str]") -> "Iterator[str]":
    """Return the files of that name in the order in which `process.run` tries them."""
    if os.name == "nt":
        from shutil import which

        path = which(name, path=environment.get("PATH"))
        yield from [path] if path else []
    else:
        for folder in environment.get("PATH", os.defpath).split(os.pathsep):
            # An empty entry never means the current folder, as it does for shutil.which.
            if folder and os.access(f"{folder}/{name}", os.F_OK):
                yield f"{folder}/{name}"


def _packaged(profile: "Profile", folders: "Sequence[str]") -> "list[str]":
    return [os.path.realpath(f"{folder}/{profile.module}/{profile.binary}") for folder in folders]


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)  # noqa: PTH113  # it is a text here


def is_shim(binary: str, profile: "Profile") -> bool:
    """Tell whether what answers may be another version in another folder."""
    target = os.path.realpath(binary)
    folder = os.path.dirname(_absolute(binary))  # noqa: PTH120  # lean
    if not is_native(target) or os.path.basename(folder) == _SHIMS:  # noqa: PTH119  # lean
        return True
    name = plain_name(target)
    return name != plain_name(binary) and not any(
        [is_name_of(program, name) for program in profile.programs]
    )


class Version:
    """The version of one program: remembered, or asked for.

    Args:
        binary: its file; None where that cannot be told, and so has no version.
        profile: what is known of it.
        state: the folder to remember it in.
        project: the folder that it runs in; empty where that cannot be told.
        folder: where a binary is asked; in one that is made for it and goes if None.
        now: the time, in seconds since 1970.

    Attributes:
        build_date: when it was built, where it has told; empty before `get`.
    """

    def __init__(  # noqa: PLR0913  # each by name
        self,
        binary: "str | None",
        profile: "Profile",
        state: str,
        *,
        project: str = "",
        folder: "str | None" = None,
        now: "Callable[[], float]" = time.time,
    ) -> None:
        self._binary = binary
        self._profile = profile
        self._cache = f"{state}/{CACHE}"
        self._project = project
        self._folder = folder
        self._now = now
        self._mark = ""
        self._answer: Reported | None = None
        self.build_date = ""

    def get(self, environment: "Mapping[str, str]") -> "str | None":
        """Return the version; None if it tells none, or cannot be asked.

        Args:
            environment: that of the program.
        """
        if self._binary is None or not self._profile.answer:
            return None
        try:
            mark = self._mark_of(self._binary, environment)
            answer = self._known(mark)
            if answer is None:
                folder = (self._project if self._is_shim else "") or self._folder
                answer = ask(self._binary, self._profile, environment, folder=folder)
                self._answer, self._mark = answer, mark
        except OSError:
            return None
        self.build_date = answer.build_date
        return answer.version or None

    def known(self, environment: "Mapping[str, str]") -> "str | None":
        """Return the version as far as it is remembered: nobody is asked.

        Returns:
            the version; empty if it told none lately, None if it is not known whether it does.
        """
        if self._binary is None or not self._profile.answer:
            return None
        try:
            answer = self._known(self._mark_of(self._binary, environment))
        except OSError:
            return None
        return None if answer is None else answer.version or ""

    def remember(self) -> None:
        """Remember what it answered, be it nothing."""
        if self._answer is None:
            return
        until = None
        if self._is_shim or not self._answer.version or not self._answer.is_whole:
            until = int(self._now()) + DAY_SECONDS
        entry = [self._answer.version, self._answer.build_date, until]
        known = {mark: old for mark, old in self._read().items() if mark != self._mark}
        entries = [*known.items(), (self._mark, entry)]
        from json import dumps

        try:  # what cannot be written is asked again
            make_folder(os.path.dirname(self._cache))  # noqa: PTH120  # lean
            replace(self._cache, dumps(dict(entries[-_MAX_ENTRIES:])).encode("ascii"))
        except OSError:
            pass

    @property
    def _is_shim(self) -> bool:
        return self._binary is not None and is_shim(self._binary, self._profile)

    def _mark_of(self, binary: str, environment: "Mapping[str, str]") -> str:
        """Return what a program is known by, in which no path can be read.

        Raises:
            OSError: its file is gone.
        """
        status = os.stat(binary)  # noqa: PTH116  # lean
        known_by = [os.path.realpath(binary)]
        if self._is_shim:
            # By the name that it was called by: one binary may stand for many programs.
            known_by = [_absolute(binary), self._project, *_chosen(environment)]
        return f"{project_mark(chr(0).join(known_by))} {status.st_size} {status.st_mtime_ns}"

    def _known(self, mark: str) -> "Reported | None":
        """Return what is remembered, as far as it can be believed."""
        match self._read().get(mark):
            case [str() | None as version, str() as build_date, int() | None as until]:
                pass
            case _:
                return None
        if version and not is_version(version):
            return None
        if build_date and not is_date(build_date):
            return None
        # What was asked at a time that is yet to come was asked by a clock that was wrong.
        if until is not None and not 0 < until - int(self._now()) <= DAY_SECONDS:
            return None
        # Only a version is remembered for ever, and never that of what may stand for many.
        return (
            None
            if until is None and (not version or self._is_shim)
            else Reported(version, build_date)
        )

    def _read(self) -> "dict[str, object]":
        try:
            content = parse(read(self._cache, _MAX_CACHE_BYTES).decode())
        except (OSError, ValueError):
            return {}  # then it is asked again, and written anew
        return content if isinstance(content, dict) else {}


def _chosen(environment: "Mapping[str, str]") -> "list[str]":
    """Return the variables that choose the version in the place of a file."""
    return sorted(
        [
            f"{name}={value}"
            for name, value in environment.items()
            if name.startswith(_CHOOSING) and name.endswith("_VERSION")
        ]
    )
