"""A real terminal: a pseudo-terminal with a program in it, and what would be on its screen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pyte

from cqtel_tui.tui.base import AGAIN_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

A_BREATH = AGAIN_SECONDS + 0.05
PATIENCE = 20.0  # seconds, for a machine under load
# Which pyte does not know: kitty's keys, and the shape of the pointer.
_UNKNOWN = re.compile(rb"\x1b\[[<>=?]\d*u|\x1b\]22;[a-z]*\x07")
MODES = (1000, 1003, 1004, 1006, 1015, 1049, 2004)
UI = (sys.executable, "-P", "-m", "cqtel_tui")


class Terminal:
    """A program in a pseudo-terminal of its own.

    Attributes:
        written: all bytes that the program wrote to the terminal.
        screen: what would be on the screen.
    """

    def __init__(self, columns: int, lines: int) -> None:
        self.written = b""
        self._seen = 0
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self._master, self._slave = os.openpty()
        self._process: subprocess.Popen[bytes] | None = None
        self._set_size(columns, lines)

    def start(self, arguments: Sequence[str], environ: dict[str, str], stdout: int | None) -> None:
        self._process = subprocess.Popen(
            arguments,
            stdin=self._slave,
            stdout=self._slave if stdout is None else stdout,
            stderr=self._slave,
            env=environ,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # one thread
        )
        os.close(self._slave)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def type(self, keys: bytes, *, after: float = A_BREATH) -> None:
        """Type keys: what follows an answer in the same breath would be nobody's."""
        time.sleep(after)
        os.write(self._master, keys)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Read what the program writes until something is so."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"{what} did not come about:\n{self.text}"
            assert self._read(0.1) or condition(), f"it ended before {what}:\n{self.text}"

    def shows(self, *texts: str) -> None:
        self.until(lambda: all(text in self.text for text in texts), " and ".join(texts))

    def writes(self, *texts: bytes) -> None:
        """Read until these were written, in whatever order, since this was asked the last time."""
        asked = f"{texts} since the last time"
        self.until(lambda: all(text in self.written[self._seen :] for text in texts), asked)
        self._seen = len(self.written)

    def computed(self) -> float:
        """Return the seconds of processor time that the process has used, on Linux."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> int:
        """Wait until the program has ended, and return its exit code."""
        assert self._process is not None
        end = time.monotonic() + PATIENCE
        while self._read(0.1) and self._process.poll() is None:
            assert time.monotonic() < end, f"it did not end:\n{self.text}"
        code = self._process.wait(PATIENCE)
        while select.select([self._master], [], [], 0)[0] and self._read(0):
            pass  # what it wrote last
        return code

    @property
    def has_ended(self) -> bool:
        """Whether the program is no more."""
        assert self._process is not None
        return self._process.poll() is not None

    def read_on(self, seconds: float) -> None:
        """Take what the program writes, for so long."""
        end = time.monotonic() + seconds
        while (remaining := end - time.monotonic()) > 0 and self._read(remaining):
            pass

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed, as it does for a shell."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    @property
    def foreground(self) -> int:
        """The process group that has the terminal."""
        return os.tcgetpgrp(self._master)

    def signal(self, number: int) -> None:
        """Send the program a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def resize(self, columns: int, lines: int) -> None:
        self.screen.resize(lines, columns)
        self._set_size(columns, lines)
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGWINCH)

    def hang_up(self) -> int:
        """Close the terminal, and return the exit code."""
        os.close(self._master)
        self._master = -1
        assert self._process is not None
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE)
        if self._master >= 0:
            os.close(self._master)

    def _read(self, seconds: float) -> bool:
        """Read what there is; tell whether there may be more."""
        if not select.select([self._master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux says so when the last program has closed it
            return False
        self.written += data
        self._stream.feed(_UNKNOWN.sub(b"", data))
        return bool(data)

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def modes_left_on(it: Terminal) -> set[int]:
    """Return the modes that were turned on, and not off again behind that."""
    last: dict[int, bytes] = {}
    for numbers, switch in re.findall(rb"\x1b\[\?([\d;]+)([hl])", it.written):
        last |= {int(number): switch for number in numbers.split(b";")}
    return {mode for mode in MODES if last.get(mode) == b"h"}


@contextlib.contextmanager
def terminal(
    *arguments: str,
    size: tuple[int, int] = (80, 30),
    stdout: int | None = None,
    **environ: str,
) -> Iterator[Terminal]:
    """Run a program in a terminal; this Python's `cq-telemetry-ui` if it is options alone."""
    command = arguments if arguments and not arguments[0].startswith("-") else (*UI, *arguments)
    terminal = Terminal(*size)
    try:
        terminal.start(command, {**os.environ, **environ}, stdout)
        yield terminal
    finally:
        terminal.close()
