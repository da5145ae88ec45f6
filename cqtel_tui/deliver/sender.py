"""Send envelopes, byte for byte, one sender at a time, with the user's consent before each one."""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from ..consent.foreign import refuse_foreign
from ..errors import CqtelError
from ..files import locked, make_folder
from ..formats import sha256
from ..outbox.deliveries import Deliveries
from ..outbox.dispatch import CALLED
from ..outbox.envelope import TornEnvelopeError
from ..outbox.losses import UNSENT, count_loss
from ..outbox.receipts import SUCCESS, Receipt, receipt_path
from ..outbox.shown import was_shown
from ..outbox.store import LOCK, REJECTED, SENT, NoSuchEnvelopeError, Outbox
from ..outbox.writing import PENDING
from .connection import REQUEST_SECONDS
from .connections import Connections
from .exchanging import NoAnswerError
from .permission import DUE, SendRequest, grounds, permission
from .proxies import proxy_for, without_password
from .reasons import answer_words, error_words, meaning
from .waiting import mend, next_attempt, pause, put_off, resume, retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from ..outbox.envelope import Envelope, Label
    from ..outbox.receipts import Reservation
    from ..paths import Places
    from .connection import CollectorResponse

__all__ = ["Outcome", "SendResult", "Sender", "next_attempt", "proxy_for", "without_password"]

RUN_SECONDS = 45.0
_RETRIED = frozenset({429, 502, 503, 504})
_DROP = "cq-telemetry drop"


class Outcome(Enum):
    """What became of one envelope."""

    SENT = "sent"
    REJECTED = "rejected"
    POSTPONED = "postponed"
    REFUSED = "refused"
    SET_ASIDE = "set aside"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of one envelope, and why.

    Attributes:
        id: the envelope's.
        outcome: what became of it.
        why: in words; the server's own words in it are untrusted.
        receipt: the receipt, if it was sent or rejected.
    """

    id: str
    outcome: Outcome
    why: str
    receipt: Receipt | None = None


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
        self._deliveries = Deliveries(self.outbox, is_sender=True)

    def send(
        self,
        labels: Iterable[Label],
        request: SendRequest,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Iterator[SendResult]:
        """Send these envelopes now, for the user has asked for it; yield what became of each.

        Leaves a program's others out at the first no to all of them, and stops at the first time
        that a collector does not answer.

        Args:
            labels: pending envelopes.
            request: how the user has asked for them: each by its name, or just for all. Whether its
                text was read is looked up for each one that was named.
            is_cancelled: called before each one, and again and again while one is under way.

        Raises:
            CqtelError: the outbox cannot be read or written.
        """
        with self._alone():
            yield from self._each(labels, request, is_cancelled)

    def send_due(self) -> list[SendResult]:
        """Send what is due and what the user's yes covers, as the detached sender does.

        Raises:
            CqtelError: the outbox cannot be read or written.
        """
        if not self.outbox.folder.is_dir():
            return []
        results: list[SendResult] = []
        with self._alone():
            # From here on, whoever records something calls another sender.
            (self.outbox.folder / CALLED).unlink(missing_ok=True)
            self.outbox.sweep(self.clock())
            if next_attempt(self.outbox, self.clock()):
                return results
            mend(self.outbox, self.clock())
            # What was tried before comes last, so that a collector that is away, or a payload that
            # breaks one, does not stand before all the others for ever.
            due = sorted(self.outbox.labels(PENDING), key=lambda label: label.attempt)
            until = time.monotonic() + self.run_seconds
            with contextlib.closing(self._each(due, DUE)) as each:
                for result in each:
                    results.append(result)
                    if time.monotonic() > until:
                        break
        return results

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        refuse_foreign(self.places.state)
        try:
            make_folder(str(self.outbox.folder))
            with locked(self.outbox.folder / LOCK):
                self.outbox.settle()
                self._deliveries = Deliveries(self.outbox, is_sender=True)
                self.outbox.set_misnamed_aside()
                yield
        except OSError as error:
            raise CqtelError(
                f"{error.filename or self.outbox.folder} could not be read or written: "
                f"{error.strerror}. Look at its owner and free space, and try again."
            ) from error

    def _each(
        self,
        labels: Iterable[Label],
        request: SendRequest,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Generator[SendResult, None, None]:
        refused: set[str] = set()
        with Connections(self.request_seconds, is_cancelled) as connections:
            for label in labels:
                if is_cancelled():
                    return
                if label.app in refused:
                    continue
                result, is_last = self._one(label, connections, request)
                yield result
                if is_last and result.outcome is Outcome.REFUSED:
                    refused.add(label.app)
                elif is_last:
                    return

    def _one(
        self, label: Label, connections: Connections, request: SendRequest
    ) -> tuple[SendResult, bool]:
        """Return what became of an envelope, and whether to leave the others for now.

        Where it was refused, the others are those of the same program.
        """
        try:
            label, envelope = self._open(label)
        except TornEnvelopeError as error:
            return self._set_aside(label, str(error)), False
        except NoSuchEnvelopeError as error:
            return SendResult(label.id, Outcome.GONE, str(error)), False
        if request.is_named:
            request = replace(request, was_read=was_shown(self.places.state, envelope))
        known = grounds(self.places, envelope, self.options, self._deliveries)
        may = permission(envelope, known, request)
        if may.refusal or may.url is None:
            result = SendResult(label.id, Outcome.REFUSED, may.reason)
            return result, request.by_user and may.is_for_all
        result = self._post(label, envelope, may.url, connections)
        return result, result.outcome is Outcome.POSTPONED

    def _post(
        self, label: Label, envelope: Envelope, url: str, connections: Connections
    ) -> SendResult:
        """Post an envelope, once there is room for the receipt."""
        reservation = self._reserve(label, url)
        is_answered = False
        by = ""
        try:
            connection = connections.to(url, envelope)
            by = f" by the proxy {connection.proxy}" if connection.proxy else ""
            response = connection.post(envelope)
            is_answered = response.status not in _RETRIED
        except NoAnswerError as error:
            return self._postpone(label, f"{url} did not respond{by}: {error_words(error)}")
        finally:
            # Whoever is interrupted is told that it may have arrived. If this process is killed
            # instead, the mark stays.
            if not is_answered:
                reservation.release()
        if not is_answered:
            reason = f"{url} responded{by} {response.status}{meaning(response.status)}"
            return self._postpone(label, reason, response.retry_after)
        receipt = self._receipt(envelope, url, connection.proxy, response)
        box = SENT if response.status in SUCCESS else REJECTED
        try:
            self._close(label, box, receipt, envelope, reservation)
            resume(self.outbox)
        except OSError as error:
            raise CqtelError(
                f"{label.id} was sent to {url}, which responded {response.status}, but that could "
                f"not be recorded in {self.outbox.folder}: {error.strerror}. It is not sent again. "
                "Look at the disk, and then at cq-telemetry status."
            ) from error
        return SendResult(label.id, Outcome(box), answer_words(receipt), receipt)

    def _reserve(self, label: Label, url: str) -> Reservation:
        try:
            return self.outbox.reserve(label, url, self.clock())
        except OSError as error:
            reason = error.strerror or str(error)
            count_loss(self.places.state, UNSENT, f"no receipt could be written: {reason}")
            self._wait(f"no receipt could be written: {reason}", pause(0, self.jitter(), None))
            raise CqtelError(
                f"nothing was sent, as no receipt could be written in {self.outbox.folder}: "
                f"{reason}. Look at its owner, free space on its disk (to delete what is pending: "
                f"{_DROP} --all), and try again."
            ) from error

    def _set_aside(self, label: Label, why: str) -> SendResult:
        try:
            lies = self.outbox.set_aside(PENDING, label)
        except FileNotFoundError:
            return SendResult(label.id, Outcome.GONE, f"{label.id} is no longer {PENDING}.")
        return SendResult(label.id, Outcome.SET_ASIDE, f"{why}; it is in {lies}")

    def _open(self, label: Label) -> tuple[Label, Envelope]:
        """Return an envelope, and its label as it is now: attempts are counted on it."""
        try:
            return label, self.outbox.open(PENDING, label)
        except NoSuchEnvelopeError:
            _, label = self.outbox.find(label.id, [PENDING])
            return label, self.outbox.open(PENDING, label)

    def _receipt(
        self, envelope: Envelope, url: str, proxy: str, response: CollectorResponse
    ) -> Receipt:
        return Receipt(
            envelope.id,
            sha256(envelope.payload),
            len(envelope.payload),
            url,
            response.status,
            int(self.clock() * 1_000_000),
            response.words,
            response.rejected_spans,
            proxy,
        )

    def _close(
        self,
        label: Label,
        box: str,
        receipt: Receipt,
        envelope: Envelope,
        reservation: Reservation,
    ) -> None:
        target = self.outbox.path(box, label)
        self._deliveries.note(label.id, box)
        reservation.fill(receipt, receipt_path(target))
        try:
            self.outbox.path(PENDING, label).replace(target)
        except (FileNotFoundError, NoSuchEnvelopeError):
            # It was dropped under way, and has left all the same: what was sent is kept to be read.
            self.outbox.put_back(box, label, envelope.data)

    def _postpone(self, label: Label, reason: str, wait: str = "") -> SendResult:
        tried = max((one.attempt for one in self.outbox.labels(PENDING)), default=0)
        seconds = pause(tried, self.jitter(), retry_after(wait, self.clock()))
        with contextlib.suppress(FileNotFoundError, NoSuchEnvelopeError):  # dropped under way
            self.outbox.postpone(label)
        self._wait(reason, seconds)
        return SendResult(label.id, Outcome.POSTPONED, f"{reason}; next attempt in {seconds:.0f} s")

    def _wait(self, reason: str, seconds: float) -> None:
        with contextlib.suppress(OSError):  # a disk that takes nothing: the next one tries again
            put_off(self.outbox, self.clock() + seconds, reason)
