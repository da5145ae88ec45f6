"""How Textual gets at the terminal, where its own way does not do; all that knows its inside.

- A byte that is no UTF-8 (a Latin-1 keyboard, 8-bit meta keys) is left out, and ends nothing.
- A paste is one text, however many escapes it has; nothing in it is a key.
- The end of the input, and a terminal that is gone, end the app; neither makes it spin or hang.
- The size is that of the terminal drawn on, whatever stdout is.
- Ctrl+Z gives the terminal back in inline mode, too.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Any, TextIO

from rich.control import Control
from textual import events
from textual._parser import ParseError
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.drivers.linux_inline_driver import LinuxInlineDriver
from textual.drivers.web_driver import WebDriver
from textual.geometry import Offset

from .terminal import is_in_foreground

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Event

    from textual.app import App
    from textual.message import Message

_WAIT_SECONDS = 0.1
_MAX_PASTED = 1 << 20
_PASTE_ENDS_AFTER_SECONDS = 1.0
_LEAST_OF_A_MARKER = len("\x1b[2")
_SIZE = (80, 24)
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"


class Keyboard:
    """Makes messages of the bytes that a terminal sends."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        # Replaced first, and left out later: a mouse event of old has three bytes, whatever they
        # are, and must not take the next keys for its own.
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._parser = XTermParser()
        self._clock = clock
        self._pasted: list[str] | None = None
        self._rest = ""
        self._fed_at = 0.0

    def feed(self, data: bytes) -> Iterator[Message]:
        """Return what these bytes say."""
        text = self._rest + self._decode(data)
        self._rest = ""
        self._fed_at = self._clock()
        while text:
            marker = BRACKETED_PASTE_START if self._pasted is None else BRACKETED_PASTE_END
            before, is_whole, text = text.partition(marker)
            if not is_whole:  # the marker may come in two parts
                before, self._rest = _cut(before, marker)
            if self._pasted is None:
                yield from self._known(self._parser.feed(before) if before else ())
                self._pasted = [] if is_whole else None
            else:
                self._pasted.append(before)
                if is_whole:
                    yield self._paste()

    def tick(self) -> Iterator[Message]:
        """Return what can only be told after a while: a single Esc, a paste without an end."""
        if self._pasted is not None and self._clock() - self._fed_at > _PASTE_ENDS_AFTER_SECONDS:
            yield self._paste()
        yield from self._known(self._parser.tick())

    def end(self) -> None:
        """Take no more."""
        try:
            list(self._parser.feed(""))
        except (EOFError, ParseError):
            pass

    def _paste(self) -> Message:
        pasted, self._pasted = "".join(self._pasted or ())[:_MAX_PASTED], None
        return events.Paste(_only_text(pasted))

    @staticmethod
    def _known(messages: Any) -> Iterator[Message]:
        for message in messages:
            if not isinstance(message, events.Key) or message.character != _UNREADABLE:
                yield message


def _cut(text: str, marker: str) -> tuple[str, str]:
    """Cut off what may be the beginning of a marker; a single Esc, or Alt+[, is none yet."""
    for length in range(len(marker) - 1, _LEAST_OF_A_MARKER - 1, -1):
        if text.endswith(marker[:length]):
            return text[:-length], text[-length:]
    return text, ""


def _only_text(pasted: str) -> str:
    """Return what was pasted without control characters, but with its line breaks and tabs."""
    return "".join(c for c in pasted if c in "\n\r\t" or (c.isprintable() and c != _UNREADABLE))


class Output:
    """A stream to the terminal; one that is gone takes what is written to it all the same.

    Args:
        stream: the stream.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding = stream.encoding or "utf-8"
        self.is_gone = False

    def write(self, text: str) -> None:
        """Write it now."""
        data = memoryview(text.encode(self._encoding, "replace"))
        while data and not self.is_gone:
            try:
                data = data[os.write(self._stream.fileno(), data) :]
            except BlockingIOError:  # somebody has made the terminal non-blocking
                select.select([], [self._stream], [], _WAIT_SECONDS)
            except (OSError, ValueError):
                self.is_gone = True

    def flush(self) -> None:
        """Do nothing: it is written already."""

    def fileno(self) -> int:
        """Return the stream's own."""
        return self._stream.fileno()


class _OnThisTerminal:
    """What both ways of drawing have in common."""

    fileno: int
    exit_event: Event
    _app: App[Any]
    _file: Any

    def _take_streams(self) -> None:
        self._file = Output(self._file)
        self._file.flush()

    def _get_terminal_size(self) -> tuple[int, int]:
        for descriptor in (self._file.fileno(), self.fileno):
            try:
                size = os.get_terminal_size(descriptor)
            except (OSError, ValueError):
                continue
            if size.columns and size.lines:
                return size
        return _SIZE

    def run_input_thread(self) -> None:
        """Make messages of what is typed, until the app or the input ends."""
        keyboard = Keyboard()
        try:
            while not self.exit_event.is_set():
                for message in self._read(keyboard):
                    self._take(message)
        except EOFError:
            self._app.call_later(self._app.exit, None, 1)
        finally:
            keyboard.end()

    def _read(self, keyboard: Keyboard) -> Iterator[Message]:
        if select.select([self.fileno], [], [], _WAIT_SECONDS)[0]:
            try:
                data = os.read(self.fileno, 4096)
            except BlockingIOError:
                return
            except OSError as error:  # the terminal is gone
                raise EOFError from error
            if not data:
                raise EOFError
            yield from keyboard.feed(data)
        yield from keyboard.tick()

    def _take(self, message: Message) -> None:
        raise NotImplementedError


class FullScreen(_OnThisTerminal, LinuxDriver):
    """Draws on the whole screen."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._take_streams()

    def _take(self, message: Message) -> None:
        self.process_message(message)

    def _sigtstp_application(self, *_: object) -> None:
        if is_under_job_control():
            super()._sigtstp_application()

    def _sigcont_application(self, *_: object) -> None:
        if not self._auto_restart:
            return
        if not self._must_signal_resume:  # by SIGSTOP, which nobody is told of
            if not is_in_foreground():
                return
            self.suspend_application_mode()
        super()._sigcont_application()
        self._app.call_later(self._app.came_back)  # type: ignore[attr-defined]  # ours


class Inline(_OnThisTerminal, LinuxInlineDriver):
    """Draws under what is there already."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._take_streams()
        self._is_stopped = False
        signal.signal(signal.SIGTSTP, self._stop)
        signal.signal(signal.SIGCONT, self._go_on)

    @property
    def can_suspend(self) -> bool:
        """Whether Ctrl+Z can be heeded."""
        return True

    def _take(self, message: Message) -> None:
        if isinstance(message, events.CursorPosition):
            self.cursor_origin = (message.x, message.y)
        else:
            self.process_message(message)

    def _stop(self, *_: object) -> None:
        if not is_under_job_control() or self._is_stopped:
            return
        self._is_stopped = True
        column, line = self._app._previous_cursor_position  # noqa: SLF001  # where we draw from
        self.write(Control.move(-column, -line).segment.text)
        self._app._previous_cursor_position = Offset(0, 0)  # noqa: SLF001
        self.stop_application_mode()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _go_on(self, *_: object) -> None:
        if self._is_stopped:
            self._is_stopped = False
            self.start_application_mode()
            self._app.call_later(self._app.came_back)  # type: ignore[attr-defined]  # ours


class Browser(WebDriver):
    """Draws for textual-serve, and ends with it."""

    def run_input_thread(self) -> None:
        """Take what the browser sends, until the server or the app ends."""
        super().run_input_thread()
        self._app.call_later(self._app.exit)


def is_under_job_control() -> bool:
    """Tell whether there is a shell that takes the terminal back when this job is stopped."""
    return sys.platform != "win32" and os.getsid(0) != os.getpgrp()
