"""Where files lie in the odd cases: on Windows and Android, and where a variable is not plain."""

import os

from .folders import APPLICATION, HOME_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def odd_folders(environ: "Mapping[str, str]", platform: str) -> "tuple[str, str]":
    """Return the folders of configuration and state where that takes more than the environment.

    Raises:
        CqtelError: there is no home folder, so that no path would be absolute.
    """
    local = environ.get("LOCALAPPDATA", "")
    is_odd = local[1:3] != ":\\" or "/" in local or "\\." in local or "\\\\" in local
    if platform != "win32" or is_odd or "WIN_PD_OVERRIDE_LOCAL_APPDATA" in environ:
        return by_platformdirs()
    folder = local.rstrip("\\") + "\\" + APPLICATION
    return folder, folder


def moved_folder(folder: str) -> str:
    """Return the folder that `HOME_VARIABLE` names, as an absolute path.

    Raises:
        CqtelError: it depends on the current directory, so that a repository could hold it: no
            repository may say yes, or name an endpoint.
    """
    from .errors import CqtelError

    problem = ""
    absolute = os.path.abspath(folder)  # noqa: PTH100  # a text, as everything here has it
    if not os.path.isabs(folder):  # noqa: PTH117
        problem = "is not an absolute path"
        if folder[0] == "~":
            problem += " (nothing but a shell knows what ~ is)"
    elif f"/{absolute.lstrip('/')}/".startswith(("/proc/", "/dev/fd/")):
        problem = "is another folder in every process"
    if problem:
        raise CqtelError(
            f"{HOME_VARIABLE}={folder} {problem}. It would let the folder that you are in answer "
            "for you, so it is refused, and telemetry is off. Unset it, or set it to an absolute "
            "path."
        )
    return absolute


def windows_admin(environ: "Mapping[str, str]") -> "tuple[str, ...]":
    """Return the folders of a system-wide configuration on Windows, always with the usual one."""
    named_folders = (environ.get("PROGRAMDATA"), environ.get("ALLUSERSPROFILE"), "C:\\ProgramData")
    named = [folder.rstrip("\\") + "\\" + APPLICATION for folder in named_folders if folder]
    return tuple(dict.fromkeys(named))


def by_platformdirs() -> "tuple[str, str]":
    """Return the folders of configuration and state, as platformdirs has them.

    Raises:
        CqtelError: there is no home folder, so that no path would be absolute.
    """
    from platformdirs import PlatformDirs

    try:
        theirs = PlatformDirs(APPLICATION, appauthor=False)
        named_folders = theirs.user_config_dir, theirs.user_state_dir
        problem = f"{named_folders} is not absolute"
    except (RuntimeError, ValueError) as error:
        named_folders, problem = ("", ""), str(error)
    if not all(map(os.path.isabs, named_folders)):
        # Relative to the current directory they would be the project's, which is untrusted.
        from .errors import CqtelError

        raise CqtelError(
            f"There is no home folder to keep your choices in: {problem}. "
            f"Set HOME or {HOME_VARIABLE} to an absolute path."
        )
    return named_folders
