"""Measure how fast the terminal UI draws: with 10 and with 100,000 payloads, and beside Textual.

    python tests/benchmarks/drawing.py [--rounds N] [--pages N] [--json FILE]

Each start is a real process on a real pty, timed until its text arrives there. The rounds of all
cases are interleaved, and what is compared is compared within a round: the median of those ratios
counts, and the least and the greatest are told. Beside the time by the clock stands the time that
the process itself computed, which other programs on the machine hardly change.

A frame while paging is the time from the key to the rows on the pty, pressed again at once: what
is drawn in between, the detail above all, holds the next one up. Filtering and opening hostile
payloads are timed inside one process.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import platform
import pty
import random
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MANY = 100_000
FEW = 10
COLUMNS, LINES = 140, 40
LONGEST_SECONDS = 60.0
LARGE = 5_000_000
FRAME = b"\x1b[?2026l"
ASKS_FOR_FRAMES, HAS_FRAMES = b"\x1b[?2026$p", b"\x1b[?2026;2$y"
VIEWS = ("explained", "raw", "trace", "leaks", "changes")
ONE, INLINE = "one widget", "one widget, inline"
FEW_HELD, MANY_HELD = f"UI, {FEW} held", f"UI, {MANY:,} held"
PROMPTED = "prompt, inline"

ONE_WIDGET = """
from textual.app import App
from textual.widgets import Static
class One(App):
    def compose(self):
        yield Static("payload-marker")
One().run({inline})
"""
UI = "import sys; from cqtel_tui.__main__ import main; sys.exit(main([]))"
PROMPT = "import sys; from cqtel_tui.__main__ import main; sys.exit(main(['--consent']))"


def hold(state: Path, number: int) -> None:
    """Hold `number` real payloads: one is recorded, and its envelope is kept under many names."""
    from cqtel_tui import Telemetry

    os.environ["CQ_TELEMETRY_HOME"] = str(state)
    with Telemetry("cloudquery", version="6.21.1").operation("sync") as operation:
        for part in ("sync.aws", "sync.gcp"):
            with operation.span(part):
                pass
    pending = state / "outbox" / "pending"
    (first,) = pending.iterdir()
    fields = first.name.split(",")
    names = ("sync", "init", "tables", "migrate")
    data = first.read_bytes()
    for at in range(1, number):
        fields[0] = f"{int(fields[0]) - 1_000_000:016d}"
        fields[1] = f"{at:016x}"
        fields[7] = names[at % len(names)]
        fields[9] = f"{at}.envelope"  # by this a row is known on the terminal
        (pending / ",".join(fields)).write_bytes(data)


class Terminal:
    """A program on a pty of its own, and somebody who reads what arrives there.

    Attributes:
        process: the program's process id.
        seen: what has arrived since it was last forgotten.
    """

    def __init__(self, process: int, pty_: int) -> None:
        self.process = process
        self.seen = b""
        self._pty = pty_

    def until(self, *markers: bytes) -> None:
        """Read until all of these have arrived."""
        end = time.perf_counter() + LONGEST_SECONDS
        while not all(marker in self.seen for marker in markers):
            if time.perf_counter() > end:
                raise TimeoutError(f"{markers!r} did not appear: {self.seen[-2000:]!r}")
            if select.select([self._pty], [], [], 0.1)[0]:
                self.seen += os.read(self._pty, 65536)

    def type(self, keys: bytes) -> None:
        """Forget what has arrived, and press keys."""
        self.seen = b""
        os.write(self._pty, keys)


@contextmanager
def started(code: str, environment: dict[str, str]) -> Iterator[Terminal]:
    """Start a program on a pty; end it with the block."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    program = subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # no threads here
    )
    os.close(theirs)
    try:
        yield Terminal(program.pid, ours)
    finally:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()
        os.close(ours)


def paint(code: str, marker: bytes, environment: dict[str, str]) -> dict[str, float]:
    """Start a program; return the milliseconds until `marker` appears, and its memory in MB."""
    began = time.perf_counter()
    with started(code, environment) as terminal:
        terminal.until(marker)
        took = time.perf_counter() - began
        return {
            "clock": took * 1000,
            "computed": computed(terminal.process),
            "memory": resident(terminal.process) / 1e6,
        }


def page(environment: dict[str, str], step: int, pages: int) -> dict[str, list[float]]:
    """Page down through the list on a pty; return the milliseconds of each frame."""
    from cqtel_tui.review.durations import duration

    clock, busy = [], []
    with started(UI, environment) as terminal:
        terminal.until(ASKS_FOR_FRAMES, b"cloudquery")
        terminal.type(HAS_FRAMES)
        terminal.until(FRAME)
        for at in range(1, pages + 1):
            row = f"{duration(at * step * 1_000_000):>9}".encode()
            before, began = computed(terminal.process), time.perf_counter()
            terminal.type(b"\x1b[6~")
            terminal.until(row, FRAME)
            clock.append((time.perf_counter() - began) * 1000)
            busy.append(computed(terminal.process) - before)
    return {"clock": clock, "computed": busy}


def computed(process: int) -> float:
    """Return for how many milliseconds a process has computed."""
    threads = Path(f"/proc/{process}/task").iterdir()
    spent = sum(int((each / "schedstat").read_text("ascii").split()[0]) for each in threads)
    return spent / 1e6


def resident(process: int) -> int:
    """Return the resident memory of a process in bytes."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


async def narrow(state: Path) -> dict[str, float]:
    """Filter all payloads; return milliseconds, and by how many rows a page moves."""
    from cqtel_tui.tui.app import TelemetryApp
    from cqtel_tui.tui.screens.pending import Pending

    os.environ["CQ_TELEMETRY_HOME"] = str(state)
    app = TelemetryApp()
    async with app.run_test(size=(COLUMNS, LINES)) as pilot:
        screen = app.screen
        assert isinstance(screen, Pending)
        while not screen.envelopes.names:
            await pilot.pause(0.01)
        count = len(screen.envelopes.names)
        screen.envelopes.action_page(1)
        step = screen.envelopes.cursor
        took = []
        for text in ("op:tables", "op:tables failed", "cloudquery tables"):
            began = time.perf_counter()
            screen.envelopes.narrow(text)
            took.append((time.perf_counter() - began) * 1000)
    return {"payloads": count, "filter": max(took), "step": step}


def hostile() -> dict[str, bytes]:
    """Return payloads that somebody made to hurt whoever looks at them."""
    some = random.Random(1)  # noqa: S311  # the same each time
    escapes = b'{"\\u001b]0;title\\u0007[/nope]":"\x1b[2J"},'
    return {
        "5 MB of objects with escapes": b"[" + escapes * (LARGE // len(escapes)) + b"0]",
        "5 MB of bytes": some.randbytes(LARGE),
        "5 MB of NaN": b"[" + b"NaN," * (LARGE // 4) + b"NaN]",
        "200 kB of NaN": b"[" + b"NaN," * 50_000 + b"NaN]",
        "900 deep": b'{"a":' * 900 + b"1" + b"}" * 900,
        "22,000 unknown values": b'{"a":[' + b"1," * 22_000 + b"1]}",
    }


async def open_hostile(payload: bytes) -> dict[str, float]:
    """Look at a payload from all sides; return the milliseconds of each."""
    from cqtel_tui.outbox.writing import hold as put
    from cqtel_tui.sanitize import is_printable
    from cqtel_tui.tui.app import TelemetryApp
    from cqtel_tui.tui.screens.pending import Pending

    with tempfile.TemporaryDirectory(prefix="cqtel-bench-") as home:
        os.environ["CQ_TELEMETRY_HOME"] = home
        labels = {"app": "cloudquery", "version": "1", "operation": "sync", "outcome": "ok"}
        stated = {"duration": 1, "headers": {}, "has_error_text": False}
        now = time.time_ns() // 1000
        put(home, payload, now, "1" * 16, **labels, **stated, project=home)
        app = TelemetryApp()
        async with app.run_test(size=(COLUMNS, LINES)) as pilot:
            screen = app.screen
            assert isinstance(screen, Pending)
            while screen.detail.envelope is None:
                await pilot.pause(0.01)
            label = screen.envelopes.current
            assert label is not None
            took = {}
            began = time.perf_counter()
            app.outbox.open("pending", label)
            took["read"] = (time.perf_counter() - began) * 1000
            for view in VIEWS:
                began = time.perf_counter()
                screen.detail.turn_to(view)
                drawn = [screen.detail.lines.render_line(y) for y in range(LINES)]
                took[view] = (time.perf_counter() - began) * 1000
                assert all(is_printable(strip.text) for strip in drawn), view
    return took


def measure(rounds: int, pages: int) -> dict[str, Any]:
    """Run all cases in turn, `rounds` times."""
    base = {k: v for k, v in os.environ.items() if not k.startswith(("CQ_", "PYTHON", "DO_NOT"))}
    base |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with tempfile.TemporaryDirectory(prefix="cqtel-bench-") as folder:
        few, many = Path(folder, "few"), Path(folder, "many")
        hold(few, FEW)
        hold(many, MANY)
        with_few = {**base, "CQ_TELEMETRY_HOME": str(few)}
        with_many = {**base, "CQ_TELEMETRY_HOME": str(many)}
        cases = {
            ONE: (ONE_WIDGET.format(inline=""), b"payload-marker", base),
            INLINE: (ONE_WIDGET.format(inline="inline=True"), b"marker", base),
            FEW_HELD: (UI, b"cloudquery", with_few),
            MANY_HELD: (UI, b"cloudquery", with_many),
            PROMPTED: (PROMPT, b"recorded", with_few),
        }
        for case in cases.values():  # the first run of all compiles, and fills caches
            paint(*case)
        paints: dict[str, list[dict[str, float]]] = {name: [] for name in cases}
        for _ in range(rounds):
            for name, case in cases.items():
                paints[name].append(paint(*case))
        narrowed = asyncio.run(narrow(many))
        paged = page(with_many, int(narrowed["step"]), pages)
    return {
        "paint": paints,
        "narrow": narrowed,
        "page": paged,
        "hostile": {name: asyncio.run(open_hostile(each)) for name, each in hostile().items()},
        "rounds": rounds,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }


def ratios(found: dict[str, Any], name: str, over: str, what: str) -> list[float]:
    """Return how much longer one case took than another, round by round."""
    pairs = zip(found["paint"][name], found["paint"][over], strict=True)
    return [one[what] / other[what] for one, other in pairs]


def table(found: dict[str, Any]) -> str:
    """Return what was measured beside its limits."""
    lines = [f"{'first paint':<24} {'memory':>9}  {'computed':>9}  by the clock: median, and all"]
    for name, samples in found["paint"].items():
        middle = {key: statistics.median(each[key] for each in samples) for key in samples[0]}
        each = " ".join(f"{sample['clock']:.0f}" for sample in samples)
        lines.append(
            f"{name:<24} {middle['memory']:>6.1f} MB  {middle['computed']:>6.0f} ms  "
            f"{middle['clock']:.0f} ms: {each}"
        )
    lines += ["", f"{'measured':<40} {'value':>11} {'limit':>11} {'':<9} {'least, greatest':>17}"]
    for words, name, over, limit in (
        ("paint, 100,000 over 10", MANY_HELD, FEW_HELD, 1.3),
        ("paint, UI over one widget", FEW_HELD, ONE, 1.5),
        ("paint, prompt over one widget", PROMPTED, INLINE, 1.3),
    ):
        for what in ("clock", "computed"):
            lines.append(
                _line(f"{words}{', computed' * (what == 'computed')}",
                      ratios(found, name, over, what), limit, "x")
            )  # fmt: skip
    grown = [
        many["memory"] - few["memory"]
        for many, few in zip(found["paint"][MANY_HELD], found["paint"][FEW_HELD], strict=True)
    ]
    frames = found["page"]
    late = {what: sum(each > 50 for each in frames[what]) for what in frames}
    lines += [
        _line("memory for 100,000 above 10", grown, 60.0, " MB"),
        _line("frame, page down, longest", frames["clock"], 50.0, " ms", max),
        _line("frame, page down, longest, computed", frames["computed"], 50.0, " ms", max),
        _line("filter over 100,000, worst", [found["narrow"]["filter"]], 500.0, " ms"),
        "",
        f"Frames: {len(frames['clock'])}, their median {statistics.median(frames['clock']):.0f} ms",
        f"over 50 ms by the clock: {late['clock']}; that computed for so long: {late['computed']}",
        "",
        f"{'opening, in ms':<30} {'read':>7} {'':<2}" + " ".join(f"{v:>9}" for v in VIEWS),
    ]
    for name, took in found["hostile"].items():
        views = " ".join(f"{took[view]:>9.0f}" for view in VIEWS)
        lines.append(f"{name:<30} {took['read']:>7.0f} {'':<2}{views}")
    lines.append(
        f"\nPython {found['python']}, {found['cores']} cores, load {found['load']:.1f}, "
        f"{found['rounds']} rounds"
    )
    return "\n".join(lines)


def _line(
    words: str,
    values: list[float],
    limit: float,
    unit: str,
    counts: Callable[[list[float]], float] = statistics.median,
) -> str:
    value = counts(values)
    verdict = "kept" if value <= limit else "NOT KEPT"
    return (
        f"{words:<40} {value:>8.2f}{unit:<3} {limit:>8.2f}{unit:<3} {verdict:<9}"
        f" {min(values):>8.2f} {max(values):>8.2f}"
    )


def main() -> None:
    """Measure, print the table, and write JSON if asked."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--pages", type=int, default=200)
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    found = measure(given.rounds, given.pages)
    print(table(found))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
