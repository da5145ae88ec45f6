"""Measure how fast the terminal UI draws: with 10 and with 100,000 payloads, and beside Textual.

    python tests/benchmarks/drawing.py [--rounds N] [--json FILE]

Each start is a real process on a real pty, timed until its text arrives there; the rounds of all
cases are interleaved. Scrolling and filtering are timed inside one process.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import platform
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import Any

MANY = 100_000
FEW = 10
COLUMNS, LINES = 140, 40
LONGEST_SECONDS = 60.0

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
        (pending / ",".join(fields)).write_bytes(data)


def paint(code: str, marker: bytes, environment: dict[str, str]) -> tuple[float, int]:
    """Start a program on a pty; return the seconds until `marker` appears, and its RSS in bytes."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    began = time.perf_counter()
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
    seen = b""
    try:
        while marker not in seen:
            if time.perf_counter() - began > LONGEST_SECONDS:
                raise TimeoutError(f"{marker!r} did not appear: {seen[-2000:]!r}")
            if select.select([ours], [], [], 0.1)[0]:
                seen += os.read(ours, 65536)
        took = time.perf_counter() - began
        return took, resident(program.pid)
    finally:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()
        os.close(ours)


def resident(process: int) -> int:
    """Return the resident memory of a process in bytes."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


async def scroll(state: Path) -> dict[str, float]:
    """Page down through all payloads, and filter them; return milliseconds."""
    from cqtel_tui.tui.app import TelemetryApp
    from cqtel_tui.tui.screens.boxes import Pending

    os.environ["CQ_TELEMETRY_HOME"] = str(state)
    app = TelemetryApp()
    frames = []
    async with app.run_test(size=(COLUMNS, LINES)) as pilot:
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, Pending)
        count = len(screen.envelopes.names)
        for _ in range(200):
            began = time.perf_counter()
            screen.envelopes.action_page(1)
            # What a frame costs: every line in sight, anew.
            for y in range(screen.envelopes.size.height):
                screen.envelopes.render_line(y)
            frames.append((time.perf_counter() - began) * 1000)
            await pilot.pause()
        began = time.perf_counter()
        screen.envelopes.narrow("op:tables")
        filtered = (time.perf_counter() - began) * 1000
        kept = len(screen.envelopes.names)
    return {"payloads": count, "frame_max": max(frames), "filter": filtered, "kept": kept}


def measure(rounds: int) -> dict[str, Any]:
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
            "one widget": (ONE_WIDGET.format(inline=""), b"payload-marker", base),
            "one widget, inline": (ONE_WIDGET.format(inline="inline=True"), b"marker", base),
            f"UI, {FEW} held": (UI, b"cloudquery", with_few),
            f"UI, {MANY:,} held": (UI, b"cloudquery", with_many),
            "prompt, inline": (PROMPT, b"recorded", with_few),
        }
        times: dict[str, list[float]] = {name: [] for name in cases}
        memory: dict[str, list[int]] = {name: [] for name in cases}
        for _ in range(rounds):
            for name, case in cases.items():
                took, rss = paint(*case)
                times[name].append(took * 1000)
                memory[name].append(rss)
        scrolled = asyncio.run(scroll(many))
    return {
        "paint_ms": {name: statistics.median(each) for name, each in times.items()},
        "resident_mb": {name: statistics.median(each) / 1e6 for name, each in memory.items()},
        "scroll": scrolled,
        "rounds": rounds,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }


def table(found: dict[str, Any]) -> str:
    """Return what was measured beside its limits."""
    paints, resident_mb, scrolled = found["paint_ms"], found["resident_mb"], found["scroll"]
    few, many = f"UI, {FEW} held", f"UI, {MANY:,} held"
    lines = [f"{'first paint':<24} {'median':>10} {'memory':>10}"]
    lines += [
        f"{name:<24} {took:>7.0f} ms {resident_mb[name]:>7.1f} MB" for name, took in paints.items()
    ]
    limits = [
        ("paint, 100,000 over 10", paints[many] / paints[few], 1.3, "x"),
        ("paint, UI over one widget", paints[few] / paints["one widget"], 1.5, "x"),
        (
            "paint, prompt over one widget",
            paints["prompt, inline"] / paints["one widget, inline"],
            1.3,
            "x",
        ),
        ("memory for 100,000 above 10", resident_mb[many] - resident_mb[few], 60.0, " MB"),
        ("longest frame, page down", scrolled["frame_max"], 50.0, " ms"),
        ("filter over 100,000", scrolled["filter"], 500.0, " ms"),
    ]
    lines += ["", f"{'measured':<32} {'value':>10} {'limit':>10}"]
    for name, value, limit, unit in limits:
        verdict = "kept" if value <= limit else "NOT KEPT"
        lines.append(f"{name:<32} {value:>7.2f}{unit:<3} {limit:>7.2f}{unit:<3} {verdict}")
    lines.append(
        f"\nPython {found['python']}, {found['cores']} cores, load {found['load']:.1f}, "
        f"{found['rounds']} rounds"
    )
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, and write JSON if asked."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    found = measure(given.rounds)
    print(table(found))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
