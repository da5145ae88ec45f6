"""`python -m cqtel_tui` and `cq-telemetry-ui`: the terminal UI."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING

from .cli.streams import run_among_streams, takes
from .errors import CqtelError
from .standard_streams import say
from .tui.terminal import is_drawable, why_not_drawable

if TYPE_CHECKING:
    from collections.abc import Sequence


_INTERRUPTED = 130
SCREENS = ("pending", "sent", "rejected", "choices", "cookie", "stored", "files")


def parser() -> argparse.ArgumentParser:
    """Return the options of `cq-telemetry-ui`."""
    options = argparse.ArgumentParser(
        prog="cq-telemetry-ui",
        description="Review what command-line programs want to phone home: send it, or refuse it.",
    )
    options.add_argument(
        "--demo",
        action="store_true",
        help="explore with really recorded payloads in a temporary home",
    )
    options.add_argument("--readonly", action="store_true", help="change nothing, send nothing")
    options.add_argument(
        "--screen", choices=SCREENS, default=SCREENS[0], metavar="NAME", help=", ".join(SCREENS)
    )
    options.add_argument(
        "--consent", action="store_true", help="ask about the newest payload, as after a first run"
    )
    options.add_argument(
        "--serve",
        type=int,
        nargs="?",
        const=8765,
        metavar="PORT",
        help="serve it to a browser on this machine (needs the extra `serve`)",
    )
    options.add_argument(
        "--collector",
        metavar="STORE",
        help="show the report of a collector's store, with charts; or of clickhouse://HOST/DATABASE",
    )
    options.add_argument(
        "--keys", action="store_true", help="print all keys, with the ids a key map names them by"
    )
    options.add_argument(
        "--plain", action="store_true", help="line by line, for screen readers: no full screen"
    )
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the terminal UI; return the exit code."""
    code = run_among_streams("cq-telemetry-ui", lambda: _start(arguments))
    if code == _INTERRUPTED:  # so that a shell sees how it ended, as with any other program
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
    return code


def _start(arguments: Sequence[str] | None) -> int:
    settings = parser().parse_args(arguments)
    if settings.keys:
        from .tui.keys import as_markdown

        sys.stdout.write(as_markdown(in_words=not takes("↑")))
        return 0
    if settings.serve is not None:
        return _serve(settings)
    try:
        return _run(settings)
    except CqtelError as error:
        _say(str(error))
        return 1


def _run(settings: argparse.Namespace) -> int:
    if settings.plain and not settings.consent:
        from .cli.plain import run as run_plain

        return run_plain(readonly=settings.readonly)
    if not is_drawable(plain=settings.plain):
        _say(why_not_drawable())
        return 1
    if settings.consent:
        return _consent(plain=settings.plain)
    if settings.collector is not None:
        from .collector.report import source_of
        from .tui.reporting import run as run_report

        return run_report(source_of(settings.collector))
    from .paths import places
    from .tui.ahead import look_ahead

    ahead = None if settings.demo else look_ahead(places().state)
    from .tui.app import run

    return run(demo=settings.demo, readonly=settings.readonly, room=settings.screen, ahead=ahead)


def _serve(settings: argparse.Namespace) -> int:
    try:
        from .tui.serving import serve
    except ImportError:
        from .extras import how_to_install

        _say(f"--serve needs an extra: {how_to_install('serve')}")
        return 1
    options = [name for name in ("--demo", "--readonly") if getattr(settings, name[2:])]
    options += ["--screen", settings.screen]
    if settings.collector is not None:
        options += ["--collector", settings.collector]
    return serve(settings.serve, options=options)


def _say(text: str) -> None:
    say(text, program="cq-telemetry-ui")


def _consent(*, plain: bool) -> int:
    from .paths import places
    from .tui.first_run import latest, put

    question = latest(places())
    if question is None:
        _say("nothing is pending, so there is nothing to ask")
        return 1
    put(places(), question, plain=plain)
    return 0


if __name__ == "__main__":
    sys.exit(main())
