"""How a file or a folder is opened: itself, never what a link points to.

Nothing but builtin modules is imported: a program that records pays for it (DESIGN §11).
"""

import os

PROJECT_FOLDER = ".cq"
HAS_DIR_FD = os.open in os.supports_dir_fd
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | NO_LINK
"""How an untrusted file is opened: itself, and without waiting for the writer of a FIFO."""
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK
OPEN_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | NO_LINK
"""How an untrusted folder is opened: itself, never what a link points to."""


def is_root() -> bool:
    """Tell whether this is root, who can write into other users' folders."""
    return hasattr(os, "geteuid") and not os.geteuid()


def owner_of(folder: str) -> int:
    """Return the user id of the owner of a folder, or of the nearest one above it; else 0."""
    while folder:
        try:
            return os.stat(folder).st_uid  # noqa: PTH116  # pathlib costs 13 ms
        except (FileNotFoundError, NotADirectoryError):
            folder = folder.rpartition(os.sep)[0]
        except OSError:
            break  # what root cannot look at, it does not write to
    return 0


def open_folder(directory: str) -> int:
    """Open the folder of the cookie and the plugins, never what a link points to.

    Raises:
        OSError: it is not there, is a link or no folder, or cannot be opened.
    """
    if not HAS_DIR_FD:
        raise OSError(0, "this system cannot open the folder without following links")
    return os.open(f"{directory}/{PROJECT_FOLDER}", OPEN_FOLDER)
