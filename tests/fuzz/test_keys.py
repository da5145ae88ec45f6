"""Whatever keys come, in whatever order: nothing breaks, and the terminal is given back."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ..tui.terminal import Terminal, modes_left_on, terminal
from .conftest import TIMES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pty is a Unix thing")

_PRINTABLE = [bytes([code]) for code in range(0x20, 0x7F) if code != ord("q")]
_CONTROL = [bytes([code]) for code in range(1, 0x20) if code not in (3, 0x11, 0x1A, 0x1B, 0x1C)]
_ESCAPES = [
    b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1b[H", b"\x1b[F", b"\x1b[5~", b"\x1b[6~",
    b"\x1b[3~", b"\x1b[Z", b"\x1b[1;2A", b"\x1b[1;5C", b"\x1bOP", b"\x1b[15~", b"\x7f", b"\xc3\xa9",
    b"\xff", b"\x1b[200~pasted \x1b[A\n\x1b[201~",
]  # fmt: skip
_USUAL = [*(key.encode() for key in "tdxXsuo1234567fnyaob]["), b"\r", b"\x1b", b" ", b"\t"]
"""What does something in most places; it comes more often than the rest."""
_BURST = 12
_KEYS = 300
_SECONDS = 5.0


def burst(chance: random.Random, columns: int, lines: int) -> bytes:
    keys = b""
    for _ in range(_BURST):
        kind = chance.random()
        if kind < 0.05:  # a click, now and then
            at = f"{chance.randint(1, columns)};{chance.randint(1, lines)}"
            keys += f"\x1b[<0;{at}M\x1b[<0;{at}m".encode()
        else:
            kinds = _USUAL if kind < 0.6 else _ESCAPES if kind < 0.75 else _PRINTABLE + _CONTROL
            keys += chance.choice(kinds)
    return keys


def check_left(it: Terminal, *codes: int) -> None:
    ended = it.end()
    written = it.written[-20_000:].decode("utf-8", "replace")
    assert ended in codes, re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", written)
    assert it.echoes
    assert modes_left_on(it) == set()
    # The end of it says what broke; it is drawn in colours.
    assert b"Traceback" not in it.written, re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", written)


@pytest.mark.parametrize("size", [(60, 20), (120, 36)], ids=str)
def test_no_keys_break_anything(tmp_path: Path, scrubbed: Path, size: tuple[int, int]) -> None:
    """Many times as many by `CQ_FUZZ`; the seed is that of the size, so that it can be repeated."""
    seed = f"{size} {os.environ.get('CQ_FUZZ_SEED', '0')}"
    chance = random.Random(seed)  # noqa: S311  # the same each time
    # Nothing is sent anywhere: what tries to, asks a proxy that is not there.
    nowhere = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    program = shutil.which("true") or "true"
    environ = {**nowhere, "PAGER": program, "EDITOR": program, "TERM": "xterm-256color"}
    environ |= {"TMPDIR": str(tmp_path), "CQ_TELEMETRY_HOME": str(tmp_path / "cqtel")}
    pressed = 0
    end = time.monotonic() + _SECONDS * TIMES
    while pressed < _KEYS * TIMES and time.monotonic() < end:
        with terminal("--demo", size=size, stdout=None, **environ) as it:
            it.shows("Pending")
            while pressed < _KEYS * TIMES and time.monotonic() < end and not it.has_ended:
                keys = burst(chance, *size)
                it.type(keys, after=0)
                it.read_on(0.05)
                pressed += _BURST
            if it.has_ended:  # the palette can quit
                check_left(it, 0)
            else:
                it.signal(signal.SIGTERM)
                # Where ending takes too long, the terminal is given back by hand.
                check_left(it, -signal.SIGTERM, 128 + signal.SIGTERM)
    assert pressed >= _BURST
    print(f"{pressed} keys at {size}")  # noqa: T201  # for who asked for more
