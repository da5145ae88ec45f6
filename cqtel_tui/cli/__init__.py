"""The scriptable face: `cq-telemetry`.

Every reading command takes `--json`. What is asked for goes to stdout, what is said about it to
stderr. Exit codes: 0 done, 1 failed, 2 wrong usage; `run` ends as the program it ran.

`run` stands in front of other people's commands, so that nothing but it is loaded for it
(DESIGN §11); `entry` has all the others.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "plain", "streams"]


def main(arguments: "Sequence[str] | None" = None) -> int:
    """Run one command; return the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["run"]:
        from .launching import main as launch

        code = launch(words[1:])
        if code is not None:
            return code
    from .entry import main as dispatch

    return dispatch(words)
