"""Ask for consent after a command, where somebody is there to answer; never twice a day.

Whatever is not an answer is no consent: Esc, Ctrl+C, the end of input, a closed or resized terminal
all mean "decide later", and nothing is saved but that it was asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from sys import modules
from typing import TYPE_CHECKING, Any

from ..actions.question import (
    WAIT_UNTOUCHED,
    Answer,
    Question,
    answered,
    destination,
    plan_answers,
    read_question,
    words,
)
from ..actions.terms import read_terms
from ..consent.decision import CI_VARIABLES, CLOUDQUERY, HOLD, USER, ask
from ..consent.layers import NOTHING, reasons
from ..errors import CqtelError
from ..files import make_folder, replace
from ..formats.bare_json import parse
from ..outbox.envelope import app_of, read_label
from ..outbox.store import Outbox
from ..outbox.writing import PENDING
from ..standard_streams import say
from .terminal import has_original_streams, has_terminal, is_in_foreground, read_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..consent.decision import Decision
    from ..paths import Places

ASKED = "asked.json"
MOST_OFTEN = 3
MOST_LINES = 60
AT_LEAST_SECONDS = 24 * 3600
SMALLEST = (60, 16)
"""Columns and lines that the inline prompt needs; below, the plain one asks."""

_NO = frozenset({"", "0", "false", "no", "off"})


def ask_if_due(places: Places, file_name: str | None) -> None:
    """Ask about the payload that has just been held, if that is due and somebody can answer.

    Never raises, whatever is wrong, and waits for nothing but the answer. (A signal that comes
    meanwhile is the program's own, and is given to it in the end.)

    Args:
        places: where the choices and the outbox are.
        file_name: the envelope's.
    """
    came: list[int] = []
    try:
        program = app_of(file_name or "")
        if program and somebody_is_there(os.environ) and is_due(places, time.time(), program):
            question = _question(places, file_name or "")
            if question is not None:
                note_asked(places, time.time(), program)
                put(places, question, deliver=came.append)
    except BaseException as error:  # noqa: BLE001  # nothing of ours may reach the program
        if isinstance(error, CqtelError):
            with contextlib.suppress(Exception):
                say(str(error))
    for number in came:
        signal.raise_signal(number)


def put(
    places: Places,
    question: Question,
    *,
    plain: bool = False,
    deliver: Callable[[int], object] = signal.raise_signal,
) -> Answer:
    """Ask, save what is answered, and say what it comes to.

    Args:
        places: where the choices and the outbox are.
        question: what is asked.
        plain: ask line by line.
        deliver: what is called with a signal that came while it was asked.
    """
    _forget_what_was_typed()
    plan = plan_answers(question)
    answer = _plain(question) if plain or _must_be_plain() else _inline(question, deliver)
    for message in answered(places, question, plan, answer).messages:
        say(message.text + (f". {message.command}" if message.command else ""))
    if answer is Answer.SHOW:
        from .app import run

        run(deliver=deliver)
    return answer


def somebody_is_there(environ: Mapping[str, str]) -> bool:
    """Tell whether there is a person at a terminal: in its foreground, not dumb, and not CI."""
    if any(environ.get(name, "").lower() not in _NO for name in CI_VARIABLES):
        return False
    return (
        environ.get("TERM") not in {None, "", "dumb"}
        and has_terminal()
        and is_in_foreground()
        and threading.current_thread() is threading.main_thread()
    )


def is_due(places: Places, now: float, program: str) -> bool:
    """Tell whether to ask: there is something to decide, and it was not asked too often or lately.

    Too often is for each program, too lately for all of them: nobody is asked twice a day.
    """
    decision = ask(places, program=program)
    about = "" if decision.inspect else subject(places, decision)
    questions = _asked(places)
    if not about or questions is None or len(questions.get(about, ())) >= MOST_OFTEN:
        return False
    return all(abs(now - at) >= AT_LEAST_SECONDS for times in questions.values() for at in times)


def is_undecided(decision: Decision) -> bool:
    """Tell whether the user has said nothing about a program that stays here."""
    answers = {reason.says for reason in reasons(decision) if reason.layer == USER}
    return decision.state == HOLD and not answers - {NOTHING, "debug", "no debug"}


def subject(places: Places, decision: Decision) -> str:
    """Return what may be asked about: a program, or what another contract of it asks.

    Empty where there is nothing to decide.
    """
    if is_undecided(decision):
        return decision.program or ""
    terms = read_terms(places, decision)
    return f"{decision.program} {terms.digest}" if terms is not None and terms.is_again else ""


def note_asked(places: Places, now: float, program: str) -> None:
    """Note that it was asked, before it is: a crash must not make it ask again and again."""
    make_folder(places.state)
    questions = _asked(places) or {}
    about = subject(places, ask(places, program=program)) or program
    questions[about] = [*questions.get(about, ()), int(now)][-MOST_OFTEN:]
    replace(Path(places.state, ASKED), json.dumps(questions).encode("ascii"))


def _asked(places: Places) -> dict[str, list[int]] | None:
    """Return when it was asked for each program; None for a record that cannot be read.

    Earlier releases kept one list, for CloudQuery.
    """
    try:
        content = parse(Path(places.state, ASKED).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        return None
    questions = {CLOUDQUERY: content} if isinstance(content, list) else content
    if not isinstance(questions, dict) or not all(map(_are_times, questions.values())):
        return None
    return questions


def _are_times(value: object) -> bool:
    return isinstance(value, list) and all(type(at) is int for at in value)


def _question(places: Places, file_name: str) -> Question | None:
    label = read_label(file_name)
    if label is None:
        return None
    outbox = Outbox(places.state)
    return read_question(places, outbox.open(PENDING, label))


def latest(places: Places) -> Question | None:
    """Return the question about the newest payload that is held whole; None if there is none."""
    for name in reversed(Outbox(places.state).names(PENDING)):
        with contextlib.suppress(CqtelError):
            question = _question(places, name)
            if question is not None:
                return question
    return None


def _forget_what_was_typed() -> None:
    """Let nothing be an answer that was typed before the question could be read."""
    if sys.platform != "win32":
        import termios

        with contextlib.suppress(OSError, ValueError, termios.error):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _must_be_plain() -> bool:
    try:
        columns, lines = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):
        return True  # what has no size cannot be drawn on
    if os.name == "nt" or columns < SMALLEST[0] or lines < SMALLEST[1]:
        return True
    # A program of coroutines has a loop already, and there is only one a thread.
    loops: Any = modules.get("asyncio.events")  # imported where there may be one, not by us
    return not has_original_streams() or (
        loops is not None and loops._get_running_loop() is not None  # noqa: SLF001
    )


def _inline(question: Question, deliver: Callable[[int], object]) -> Answer:
    try:
        from .prompt import ask_inline
    except Exception:  # noqa: BLE001  # Textual may be missing, or another one than we know
        return _plain(question)
    return ask_inline(question, deliver)


def _plain(question: Question) -> Answer:
    """Ask line by line, for screen readers, narrow terminals and Windows."""
    from ..actions.showing import explained

    sys.stderr.write(f"\n{question.title} {question.subtitle}\n")
    sys.stderr.writelines(f"{line}\n" for line in question.news)
    explanation = explained(question.envelope, question.places)
    lines = [f"{row.group}: {row.key} = {row.value}" for row in explanation.rows]
    if explanation.unreadable:
        lines.append(explanation.unreadable)
    if len(lines) > MOST_LINES:
        more = len(lines) - MOST_LINES
        lines[MOST_LINES:] = [f"… and {more:,} more: cq-telemetry show {question.envelope.id}"]
    for line in lines:
        sys.stderr.write(f"  {line}\n")
    for line in destination(question):
        sys.stderr.write(f"{line}\n")
    for answer, meaning in words(question).items():
        sys.stderr.write(f"  {answer.value}  {meaning}\n")
    sys.stderr.write("Your answer, one letter (Enter: decide later): ")
    sys.stderr.flush()
    try:
        typed = read_line(WAIT_UNTOUCHED)
    except KeyboardInterrupt:
        typed = None
    if typed is None:
        sys.stderr.write("\n")
        return Answer.LATER
    letter = typed.strip().lower()
    return next((answer for answer in words(question) if answer.value == letter), Answer.LATER)
