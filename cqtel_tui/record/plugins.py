"""List the plugins that are installed in a project, by its folders and nothing else.

On the hot path (DESIGN §11) wherever a project has a `.cq`.
"""

import os

from ..catalogue import MAX_PLUGINS, is_plugin
from ..consent import HAS_DIR_FD, OPEN_FOLDER, PROJECT_FOLDER

_MAX_LISTED = 1000
_MAX_IN_ONE = 4 * MAX_PLUGINS


def installed_plugins(directory: str) -> "tuple[list[str], int]":
    """Return what is installed in the project, and how many more there were that do not fit.

    `.cq/plugins/<kind>/<organisation>/<name>/<version>` today,
    `.cq/providers/<organisation>/<name>/<version>-<os>_<arch>` in 2021. The folder is untrusted:
    no link is followed, and the number of entries read is bounded.
    """
    if not HAS_DIR_FD:
        return [], 0
    try:
        folder = os.open(os.path.join(directory, PROJECT_FOLDER), OPEN_FOLDER)  # noqa: PTH118
    except OSError:
        return [], 0
    try:
        budget = [_MAX_LISTED, 0]  # how many more are read, and whether there were more
        found = _list(folder, "plugins", 4, budget)
        found += ["provider/" + _provider(path) for path in _list(folder, "providers", 3, budget)]
    finally:
        os.close(folder)
    plugins = sorted(path for path in map(_named, found) if is_plugin(path))
    unfit = len(found) - len(plugins) + budget[1]
    return plugins[:MAX_PLUGINS], unfit + max(0, len(plugins) - MAX_PLUGINS)


def _list(parent: int, name: str, levels: int, budget: "list[int]") -> "list[str]":
    """Return the paths of `levels` folders below `name`, each with `/` between its parts."""
    try:
        folder = os.open(name, OPEN_FOLDER, dir_fd=parent)
    except OSError:
        return []
    try:
        if levels == 0:
            return [""]
        return [
            f"{entry}/{rest}" if rest else entry
            for entry in _entries(folder, budget)
            for rest in _list(folder, entry, levels - 1, budget)
        ]
    except OSError:
        return []
    finally:
        os.close(folder)


def _entries(folder: int, budget: "list[int]") -> "list[str]":
    """Return what is in a folder, sorted; of a large one as many as are still to be read."""
    names: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if budget[0] <= 0 or len(names) == _MAX_IN_ONE:
                budget[1] = 1
                break
            names.append(entry.name)
            budget[0] -= 1
    return sorted(names)


def _provider(path: str) -> str:
    """Take the system and the machine from the version that a release of 2021 wrote."""
    stem, _, machine = path.rpartition("-")
    return stem if "_" in machine else path


def _named(path: str) -> str:
    head, _, version = path.rpartition("/")
    return f"{head}@{version}"
