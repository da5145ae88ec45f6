"""Send envelopes, byte for byte, one sender at a time, with the user's consent before each one."""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import httpx

from ..consent import OFF, ON, ask
from ..consent.choices import is_loopback, read_user
from ..consent.layers import why
from ..locking import locked
from ..outbox import PENDING, make_folder, project_mark, sha256
from ..outbox.envelope import TornEnvelopeError
from ..outbox.receipts import Receipt
from ..outbox.store import REJECTED, SENT, NoSuchEnvelopeError, Outbox
from .starting import CALLED, RETRY_AT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ..consent import Decision
    from ..outbox.envelope import Envelope, Label
    from ..paths import Places

LOCK = "sender.lock"
TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024
_LONGEST_ANSWER_SECONDS = 30.0
_RETRIED = frozenset({429, 502, 503, 504})
_SUCCESS = range(200, 300)
_FIRST_PAUSE_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 6 * 3600.0
_LONGEST_RETRY_AFTER_SECONDS = 24 * 3600.0
_ANSWER_CHARACTERS = 500
_ERROR_TEXT = b'"exception.message"'


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
        receipt: the receipt, if it was answered.
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
    """

    def __init__(
        self,
        places: Places,
        options: Sequence[str] = (),
        *,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.places = places
        self.options = options
        self.clock = clock
        self.jitter = jitter
        self.outbox = Outbox(places.state)

    def send(
        self, labels: Iterable[Label], is_cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[Result]:
        """Send these envelopes now, each of which the user has asked for; yield what became of it.

        Stops at the first no, and at the first time that the collector does not answer.

        Args:
            labels: pending envelopes.
            is_cancelled: asked before each one.
        """
        with self._alone():
            yield from self._each(labels, is_cancelled, asked_for=True)

    def send_due(self) -> list[Result]:
        """Send what is due and what the user's yes covers, as the detached sender does."""
        with self._alone():
            # From here on, whoever records something calls another sender.
            (self.outbox.folder / CALLED).unlink(missing_ok=True)
            self.outbox.sweep(self.clock())
            if next_attempt(self.outbox) > self.clock():
                return []
            return list(self._each(self.outbox.labels(PENDING), asked_for=False))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        make_folder(str(self.outbox.folder))
        with locked(self.outbox.folder / LOCK):
            self.outbox.settle()
            yield

    def _each(
        self,
        labels: Iterable[Label],
        is_cancelled: Callable[[], bool] = lambda: False,
        *,
        asked_for: bool,
    ) -> Iterator[Result]:
        connections = Connections()
        try:
            for label in labels:
                if is_cancelled():
                    return
                result = self._one(label, connections, asked_for=asked_for)
                yield result
                if result.outcome is Outcome.POSTPONED or (
                    asked_for and result.outcome is Outcome.REFUSED
                ):
                    return
        finally:
            connections.close()

    def _one(self, label: Label, connections: Connections, *, asked_for: bool) -> Result:
        try:
            envelope = self.outbox.open(PENDING, label)
        except TornEnvelopeError as error:
            lies = self.outbox.set_aside(PENDING, label)
            return Result(label.id, Outcome.SET_ASIDE, f"{error}; it lies in {lies}")
        except NoSuchEnvelopeError as error:
            return Result(label.id, Outcome.GONE, str(error))
        decision = self.decision(envelope.project)
        refusal = self._refusal(decision, envelope, asked_for=asked_for)
        if refusal or decision.endpoint is None:
            return Result(label.id, Outcome.REFUSED, refusal or "there is no endpoint")
        try:
            receipt, retry_after = connections.post(decision.endpoint, envelope, self.clock)
        except httpx.HTTPError as error:
            reason = f"{decision.endpoint} did not answer: {str(error) or type(error).__name__}"
            return self._postpone(label, reason, None)
        if receipt.status in _RETRIED:
            return self._postpone(label, f"it answered {receipt.status}", retry_after)
        (self.outbox.folder / RETRY_AT).unlink(missing_ok=True)
        if receipt.status in _SUCCESS:
            self.outbox.close(label, SENT, receipt)
            return Result(label.id, Outcome.SENT, f"it answered {receipt.status}", receipt)
        self.outbox.close(label, REJECTED, receipt)
        return Result(label.id, Outcome.REJECTED, f"it answered {receipt.status}", receipt)

    def decision(self, project: str) -> Decision:
        """Ask for consent for a payload that was recorded in the project with this mark."""
        here = os.path.realpath(".")
        known = [here, *read_user(self.places.config).projects]
        # A project that nobody chose for has no say of its own: any folder without one will do.
        directory = next((path for path in known if project_mark(path) == project), None)
        return ask(self.places, self.options, directory=directory or self.places.state)

    def _refusal(self, decision: Decision, envelope: Envelope, *, asked_for: bool) -> str:
        if decision.inspect:
            return "telemetry is only inspected, by --inspect-telemetry or CQ_INSPECT_TELEMETRY"
        if decision.state != ON:
            state = "off" if decision.state == OFF else "undecided"
            return f"telemetry is {state}: {why(decision)}. To allow it: cq-telemetry on"
        if decision.endpoint is None:
            return "there is no endpoint. To set one: cq-telemetry endpoint URL"
        if asked_for:
            return ""
        if envelope.created * 1000 < decision.consented:
            return "it was held before your yes, which did not include it"
        if _ERROR_TEXT in envelope.payload and not decision.debug:
            return "it has an error text, and debug mode is off"
        return ""

    def _postpone(self, label: Label, reason: str, retry_after: float | None) -> Result:
        pause = min(_FIRST_PAUSE_SECONDS * 2**label.attempt, _LONGEST_PAUSE_SECONDS)
        pause *= 0.5 + self.jitter() / 2
        if retry_after is not None:
            pause = max(pause, min(retry_after, _LONGEST_RETRY_AFTER_SECONDS))
        self.outbox.postpone(label)
        stamp = self.outbox.folder / RETRY_AT
        stamp.write_text(reason + "\n", encoding="utf-8")
        due = self.clock() + pause
        os.utime(stamp, (due, due))
        return Result(label.id, Outcome.POSTPONED, f"{reason}; next attempt in {pause:.0f} s")


class Connections:
    """HTTP connections, one client for each proxy that the environment asks for."""

    def __init__(self) -> None:
        self._clients: dict[str, httpx.Client] = {}

    def close(self) -> None:
        """Close them all."""
        for client in self._clients.values():
            client.close()

    def post(
        self, url: str, envelope: Envelope, clock: Callable[[], float]
    ) -> tuple[Receipt, float | None]:
        """Post an envelope's bytes and headers, and nothing else; follow no redirect.

        Returns:
            the receipt, and the seconds after which the server wants to be asked again.

        Raises:
            httpx.HTTPError: there was no answer.
        """
        proxy = proxy_for(url)
        if proxy not in self._clients:
            self._clients[proxy] = _client(proxy)
        # A request made by hand has these headers, Host and Content-Length, and no others.
        request = httpx.Request("POST", url, headers=envelope.headers, content=envelope.payload)
        request.extensions["timeout"] = httpx.Timeout(TIMEOUT_SECONDS).as_dict()
        response = self._clients[proxy].send(request, stream=True)
        try:
            answer = _bounded(response)
        finally:
            response.close()
        words, rejected = _read_answer(answer)
        receipt = Receipt(
            envelope.id,
            sha256(envelope.payload),
            len(envelope.payload),
            url,
            response.status_code,
            int(clock() * 1_000_000),
            words,
            rejected,
            proxy,
        )
        return receipt, _retry_after(response.headers.get("Retry-After", ""), clock())


def next_attempt(outbox: Outbox) -> float:
    """Return when the next attempt is due, in seconds since 1970; 0 if one is due now."""
    try:
        return (outbox.folder / RETRY_AT).stat().st_mtime
    except OSError:
        return 0.0


def proxy_for(url: str) -> str:
    """Return the proxy that the environment asks for; empty for none, and for this machine.

    `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, as everywhere; a user name or password in it is
    kept.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(host):
        return ""
    proxies = getproxies_environment()
    return proxies.get(parts.scheme) or proxies.get("all") or ""


def without_password(url: str) -> str:
    """Return a proxy's URL as it may be shown: without its user name and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _client(proxy: str) -> httpx.Client:
    # The certificates that httpx trusts, those of SSL_CERT_FILE, and the system's.
    trusted = httpx.create_ssl_context(trust_env=True)
    trusted.load_default_certs()
    # trust_env would let .netrc put a password into the headers.
    return httpx.Client(
        verify=trusted, trust_env=False, follow_redirects=False, proxy=proxy or None
    )


def _bounded(response: httpx.Response) -> bytes:
    """Return the beginning of an answer, as it came; a slow or endless one is cut."""
    answer = b""
    until = time.monotonic() + _LONGEST_ANSWER_SECONDS
    for part in response.iter_raw():
        answer += part
        if len(answer) >= MAX_ANSWER_BYTES or time.monotonic() > until:
            break
    return answer[:MAX_ANSWER_BYTES]


def _read_answer(answer: bytes) -> tuple[str, int]:
    """Return a server's words and the number of spans it says it refused; all untrusted."""
    words = answer.decode("utf-8", "replace")[:_ANSWER_CHARACTERS]
    try:
        partial = json.loads(answer)["partialSuccess"]
        rejected = int(partial.get("rejectedSpans", 0))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return words, 0
    message = partial.get("errorMessage")
    if isinstance(message, str):
        words = message[:_ANSWER_CHARACTERS]
    return words, max(0, min(rejected, 1 << 31))


def _retry_after(value: str, now: float) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110 §10.2.3); None if there is none."""
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
