"""List the plugins that are installed in a project, without following a link."""

import os

from ..catalogue import MAX_PLUGINS, is_plugin
from ..opening import HAS_DIR_FD, OPEN_FOLDER, PROJECT_FOLDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_LISTED_IN_ONE = 256
_MAX_LISTED = 1000


def installed_plugins(directory: str, named: "Sequence[str]" = ()) -> "tuple[list[str], int]":
    """Return what is installed in the project, and how many more there were that do not fit.

    `.cq/plugins/<kind>/<organisation>/<name>/<version>` today, and the file
    `.cq/providers/<organisation>/<name>/<version>-<os>_<arch>` in 2021. The folder is untrusted:
    no link is followed, and the number of entries read is bounded.

    Args:
        directory: the project.
        named: folders that the user named in place of its `.cq`.
    """
    budget = [_MAX_LISTED, 0]  # entries that may still be read; 1 if there were more
    installed = _installed(f"{directory}/{PROJECT_FOLDER}", budget)
    for name in named:
        # The user named this folder, so it may be a link; what is inside is still untrusted.
        installed += _installed(os.path.realpath(os.path.join(directory, name)), budget)  # noqa: PTH118
    plugins = sorted(set(filter(is_plugin, installed)))
    unfit = sum([not is_plugin(each) for each in installed]) + budget[1]
    return plugins[:MAX_PLUGINS], unfit + max(0, len(plugins) - MAX_PLUGINS)


def _installed(path: str, budget: "list[int]") -> "list[str]":
    """Return what lies in the folder of plugins and in that of providers."""
    try:
        folder = os.open(path, OPEN_FOLDER) if HAS_DIR_FD else None
    except OSError:
        folder = None
    if folder is None:
        return []
    try:
        plugins = _list(folder, "plugins", 4, budget, may_be_files=False)
        return plugins + [
            "provider/" + _provider(path)
            for path in _list(folder, "providers", 3, budget, may_be_files=True)
        ]
    finally:
        os.close(folder)


def _list(
    parent: int, name: str, levels: int, budget: "list[int]", *, may_be_files: bool
) -> "list[str]":
    """Return what lies `levels` below `name` as paths, with `@` before the last part.

    That is a folder; or a file, where they may be.
    """
    try:
        folder = os.open(name, OPEN_FOLDER, dir_fd=parent)
    except OSError:
        return []
    names = []
    try:
        with os.scandir(folder) as entries:
            for at, entry in enumerate(entries):
                if budget[0] <= 0 or at == MAX_LISTED_IN_ONE:
                    budget[1] = 1
                    break
                budget[0] -= 1
                is_file = may_be_files and levels == 1 and entry.is_file(follow_symlinks=False)
                if is_file or entry.is_dir(follow_symlinks=False):
                    names.append(entry.name)
        names.sort()
        if levels == 1:
            return names
        mark = "@" if levels == 2 else "/"  # noqa: PLR2004  # a name, and its versions
        return [
            each + mark + rest
            for each in names
            for rest in _list(folder, each, levels - 1, budget, may_be_files=may_be_files)
        ]
    except OSError:
        return []
    finally:
        os.close(folder)


def _provider(path: str) -> str:
    """Remove the system and the machine from a version, as releases of 2021 wrote it."""
    stem, _, machine = path.rpartition("-")
    system, _, architecture = machine.removesuffix(".exe").partition("_")
    return stem if system.isalnum() and architecture.isalnum() else path
