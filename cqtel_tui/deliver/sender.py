"""Send envelopes, byte for byte, one sender at a time, with the user's consent before each one."""

from __future__ import annotations

import contextlib
import os
import random
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ..consent import OFF, ON, ask
from ..consent.choices import read_user
from ..consent.layers import why
from ..errors import CqtelError
from ..locking import locked
from ..outbox import PENDING, make_folder, project_mark, sha256
from ..outbox.envelope import TornEnvelopeError, open_envelope
from ..outbox.losses import UNSENT, note_loss
from ..outbox.receipts import Receipt, receipt_path
from ..outbox.store import LOCK, REJECTED, SENT, NoSuchEnvelopeError, Outbox
from ..paths import foreign_home
from ..review.destination import CAUGHT, UNREAD, bound_for
from .connection import REQUEST_SECONDS, Connections, NoAnswerError, header_problem
from .proxies import proxy_for, without_password
from .reasons import SUCCESS, answer_words, error_words, meaning
from .starting import CALLED
from .waiting import next_attempt, pause, put_off, resume, retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from ..consent import Decision
    from ..outbox.envelope import Envelope, Label
    from ..outbox.receipts import Begun, Reservation
    from ..paths import Places
    from .connection import Answer

__all__ = ["Outcome", "Result", "Sender", "next_attempt", "proxy_for", "without_password"]

RUN_SECONDS = 45.0
_RETRIED = frozenset({429, 502, 503, 504})
_ERROR_TEXT = b'"exception.message"'
_ERROR_TEXT_CAUGHT = b'"has_error_text": true'
_DROP = "cq-telemetry drop"
_UNNAMED = "nobody could read what is in it; name it by its id if it is to go"


class Outcome(Enum):
    """What became of one envelope."""

    SENT = "sent"
    REJECTED = "rejected"
    POSTPONED = "postponed"
    REFUSED = "refused"
    SET_ASIDE = "set aside"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one envelope, and why.

    Attributes:
        id: the envelope's.
        outcome: what became of it.
        why: in words; the server's own words in it are untrusted.
        receipt: the receipt, if it was sent or rejected.
        is_of_one: a refusal is about this envelope, and stops no other.
    """

    id: str
    outcome: Outcome
    why: str
    receipt: Receipt | None = None
    is_of_one: bool = False


class Sender:
    """Sends envelopes from the outbox of `places`, asking for consent before each one.

    Args:
        places: where the outbox and the choices are.
        options: the telemetry options given on the command line.
        clock: seconds since 1970.
        jitter: a number from 0 to 1, so that many senders do not come back at once.
        request_seconds: how long one request may take in all.
        run_seconds: how long `send_due` goes on to the next one.
    """

    def __init__(  # noqa: PLR0913  # each by name, for tests to put in place
        self,
        places: Places,
        options: Sequence[str] = (),
        *,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
        request_seconds: float = REQUEST_SECONDS,
        run_seconds: float = RUN_SECONDS,
    ) -> None:
        self.places = places
        self.options = options
        self.clock = clock
        self.jitter = jitter
        self.request_seconds = request_seconds
        self.run_seconds = run_seconds
        self.outbox = Outbox(places.state)
        try:
            self.here: str | None = os.getcwd()  # noqa: PTH109  # as `record` has it
        except OSError:
            self.here = None

    def send(
        self,
        labels: Iterable[Label],
        is_cancelled: Callable[[], bool] = lambda: False,
        *,
        each_named: bool = True,
    ) -> Iterator[Result]:
        """Send these envelopes now, for the user has asked for it; yield what became of each.

        Stops at the first no, and at the first time that the collector does not answer.

        Args:
            labels: pending envelopes.
            is_cancelled: asked before each one, and again and again while one is under way.
            each_named: the user has chosen each one, and not just all: what nobody could read goes
                only then.

        Raises:
            CqtelError: the outbox cannot be read or written.
        """
        with self._alone():
            yield from self._each(labels, is_cancelled, asked_for=True, each_named=each_named)

    def send_due(self) -> list[Result]:
        """Send what is due and what the user's yes covers, as the detached sender does.

        Raises:
            CqtelError: the outbox cannot be read or written.
        """
        if not self.outbox.folder.is_dir():
            return []
        results: list[Result] = []
        with self._alone():
            # From here on, whoever records something calls another sender.
            (self.outbox.folder / CALLED).unlink(missing_ok=True)
            self.outbox.sweep(self.clock())
            if next_attempt(self.outbox) > self.clock():
                return results
            # What was tried before comes last, so that a collector that is away, or a payload that
            # breaks one, does not stand before all the others for ever.
            due = sorted(self.outbox.labels(PENDING), key=lambda label: label.attempt)
            until = time.monotonic() + self.run_seconds
            with contextlib.closing(self._each(due, asked_for=False)) as each:
                for result in each:
                    results.append(result)
                    if time.monotonic() > until:
                        break
        return results

    def decision(self, project: str) -> Decision:
        """Ask for consent for a payload that was recorded in the project with this mark."""
        if self.here is None:
            return ask(self.places, self.options)  # which says no, and why
        known = [self.here, *read_user(self.places.config).projects]
        # A project that nobody chose for has no say of its own: any folder without one will do.
        directory = next((path for path in known if project_mark(path) == project), None)
        return ask(self.places, self.options, directory=directory or self.places.state)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        home = os.environ.get("HOME", "").rstrip("/")
        if why_not := foreign_home(self.places.state, home):
            raise CqtelError(f"{self.outbox.folder} was not touched: {why_not}.")
        try:
            make_folder(str(self.outbox.folder))
            with locked(self.outbox.folder / LOCK):
                self.outbox.settle()
                yield
        except OSError as error:
            raise CqtelError(
                f"{error.filename or self.outbox.folder} could not be read or written: "
                f"{error.strerror}. Look at its owner and free space, and try again."
            ) from error

    def _each(
        self,
        labels: Iterable[Label],
        is_cancelled: Callable[[], bool] = lambda: False,
        *,
        asked_for: bool,
        each_named: bool = False,
    ) -> Generator[Result, None, None]:
        with Connections(self.request_seconds, is_cancelled) as connections:
            for label in labels:
                if is_cancelled():
                    return
                result = self._one(label, connections, asked_for=asked_for, each_named=each_named)
                yield result
                is_no = result.outcome is Outcome.REFUSED and not result.is_of_one
                if result.outcome is Outcome.POSTPONED or (asked_for and is_no):
                    return

    def _one(
        self, label: Label, connections: Connections, *, asked_for: bool, each_named: bool
    ) -> Result:
        try:
            label, data = self._read(label)
            envelope = open_envelope(data)
            if problem := header_problem(envelope):
                raise TornEnvelopeError(problem)
        except TornEnvelopeError as error:
            lies = self.outbox.set_aside(PENDING, label)
            return Result(label.id, Outcome.SET_ASIDE, f"{error}; it lies in {lies}")
        except NoSuchEnvelopeError as error:
            return Result(label.id, Outcome.GONE, str(error))
        decision = self.decision(envelope.project)
        refusal = self._refusal(decision, envelope, asked_for=asked_for, each_named=each_named)
        url = bound_for(envelope, decision.endpoint)
        if refusal or url is None:
            is_of_one = refusal == _UNNAMED
            return Result(label.id, Outcome.REFUSED, refusal, is_of_one=is_of_one)
        if reason := self._sent_already(label, is_named=each_named):
            return Result(label.id, Outcome.REFUSED, reason, is_of_one=True)
        return self._post(label, envelope, url, connections, data)

    def _sent_already(self, label: Label, *, is_named: bool) -> str:
        """Say why an envelope is not sent again; empty if it was not sent, or is named again."""
        if self.outbox.was_sent(label):
            return f"it was sent before: cq-telemetry sent. To delete it: {_DROP} {label.id}"
        begun = None if is_named else self.outbox.in_doubt().get(label.id)
        return in_doubt_words(begun) if begun else ""

    def _post(
        self,
        label: Label,
        envelope: Envelope,
        url: str,
        connections: Connections,
        data: bytes,
    ) -> Result:
        """Post an envelope, once there is room for the receipt."""
        reservation = self._reserve(label, url)
        is_answered = False
        by = ""
        try:
            connection = connections.to(url)
            by = f" by the proxy {connection.proxy}" if connection.proxy else ""
            answer = connection.post(envelope)
            is_answered = answer.status not in _RETRIED
        except NoAnswerError as error:
            return self._postpone(label, f"{url} did not answer{by}: {error_words(error)}")
        finally:
            # Whoever is interrupted is told that it may have arrived. If this process is killed
            # instead, the mark stays.
            if not is_answered:
                reservation.release()
        if not is_answered:
            reason = f"{url} answered{by} {answer.status}{meaning(answer.status)}"
            return self._postpone(label, reason, answer.retry_after)
        receipt = self._receipt(envelope, url, connection.proxy, answer)
        box = SENT if answer.status in SUCCESS else REJECTED
        try:
            self._close(label, box, receipt, data, reservation)
            resume(self.outbox)
        except OSError as error:
            raise CqtelError(
                f"{label.id} was sent to {url}, which answered {answer.status}, but that could not "
                f"be written down in {self.outbox.folder}: {error.strerror}. It is not sent again. "
                "Look at the disk, and then at cq-telemetry status."
            ) from error
        return Result(label.id, Outcome(box), answer_words(receipt), receipt)

    def _reserve(self, label: Label, url: str) -> Reservation:
        try:
            return self.outbox.reserve(label, url, self.clock())
        except OSError as error:
            reason = error.strerror or str(error)
            note_loss(self.places.state, UNSENT, f"no receipt could be written: {reason}")
            self._wait(f"no receipt could be written: {reason}", pause(0, self.jitter(), None))
            raise CqtelError(
                f"nothing was sent, for no receipt could be written in {self.outbox.folder}: "
                f"{reason}. Look at its owner, make room on its disk (to delete what is pending: "
                f"{_DROP} --all), and try again."
            ) from error

    def _read(self, label: Label) -> tuple[Label, bytes]:
        """Return an envelope's bytes, and its label as it is now: attempts are counted on it."""
        try:
            return label, self.outbox.read(PENDING, label)
        except NoSuchEnvelopeError:
            _, label = self.outbox.find(label.id, [PENDING])
            return label, self.outbox.read(PENDING, label)

    def _refusal(
        self, decision: Decision, envelope: Envelope, *, asked_for: bool, each_named: bool
    ) -> str:
        if decision.inspect:
            return "telemetry is only inspected, by --inspect-telemetry or CQ_INSPECT_TELEMETRY"
        if decision.state != ON:
            state = "off" if decision.state == OFF else "undecided"
            return f"telemetry is {state}: {why(decision)}. To allow it: cq-telemetry on"
        if bound_for(envelope, decision.endpoint) is None:
            if envelope.origin == CAUGHT:
                return "it was not bound for where it may be sent to"
            return "there is no endpoint. To set one: cq-telemetry endpoint URL"
        if envelope.kind == UNREAD and not each_named:
            return _UNNAMED
        if asked_for:
            return ""
        if envelope.created * 1000 < decision.consented:
            return "it was held before your yes, which did not include it"
        if _has_error_text(envelope) and not decision.debug:
            return "it has an error text, and debug mode is off"
        return ""

    def _receipt(self, envelope: Envelope, url: str, proxy: str, answer: Answer) -> Receipt:
        return Receipt(
            envelope.id,
            sha256(envelope.payload),
            len(envelope.payload),
            url,
            answer.status,
            int(self.clock() * 1_000_000),
            answer.words,
            answer.rejected_spans,
            proxy,
        )

    def _close(
        self, label: Label, box: str, receipt: Receipt, data: bytes, reservation: Reservation
    ) -> None:
        target = self.outbox.path(box, label)
        reservation.fill(receipt, receipt_path(target))
        try:
            self.outbox.path(PENDING, label).replace(target)
        except (FileNotFoundError, NoSuchEnvelopeError):
            # It was dropped under way, and has left all the same: what was sent is kept to be read.
            self.outbox.put_back(box, label, data)

    def _postpone(self, label: Label, reason: str, asked: str = "") -> Result:
        tried = max((one.attempt for one in self.outbox.labels(PENDING)), default=0)
        seconds = pause(tried, self.jitter(), retry_after(asked, self.clock()))
        with contextlib.suppress(FileNotFoundError, NoSuchEnvelopeError):  # dropped under way
            self.outbox.postpone(label)
        self._wait(reason, seconds)
        return Result(label.id, Outcome.POSTPONED, f"{reason}; next attempt in {seconds:.0f} s")

    def _wait(self, reason: str, seconds: float) -> None:
        with contextlib.suppress(OSError):  # a disk that takes nothing: the next one tries again
            put_off(self.outbox, self.clock() + seconds, reason)


def in_doubt_words(begun: Begun) -> str:
    """Say that an envelope may have been sent, and what its user can do."""
    to = f" to {begun.url}" if begun.url else ""
    return (
        f"it may have been sent{to}: its sender ended before there was an answer, so that it is "
        f"not sent again by itself. To send it all the same: cq-telemetry send {begun.id}; "
        f"to delete it: {_DROP} {begun.id}"
    )


def _has_error_text(envelope: Envelope) -> bool:
    # Of what was caught its head says so, also where the user has taken the text out since.
    head = envelope.caught.partition(b"\n")[0]
    return _ERROR_TEXT in envelope.payload or _ERROR_TEXT_CAUGHT in head
