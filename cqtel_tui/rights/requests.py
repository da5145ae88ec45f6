"""Ask a collector what it does and what it has of us, and have that erased; by delivery's rules.

Nothing is asked for by itself, for even a question shows an address: somebody has pressed a key or
given a command. The cookie is the key to one's own data. It goes to the endpoint that the user
chose, with requests for that data, and with no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..consent.endpoint import endpoint_problem
from ..deliver.connection import (
    MAX_ANSWER_BYTES,
    MAX_ANSWER_CHARACTERS,
    REDIRECTED,
    REQUEST_SECONDS,
    Connection,
    is_plain,
)
from ..deliver.exchanging import NoAnswerError
from ..errors import CqtelError
from .announced import (
    MAX_DATA_BYTES,
    Announcement,
    StrangeAnswerError,
    read_data,
    read_erased,
    read_me,
    read_policy,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self, TypeVar

    from ..deliver.connection import Reply
    from ..formats.strict_json import JsonObject

    Read = TypeVar("Read")

_OK = 200
_UNKNOWN_THERE = frozenset({404, 405, 410})
_BUSY = frozenset({429, 502, 503, 504})
_KEEPS_NOTHING = 501
_MAX_WORDS = 200


class CollectorError(CqtelError):
    """The collector did not do what it was asked for; some of the message may be its own words."""


class Collector:
    """The collector at an endpoint, asked over one connection.

    Args:
        endpoint: where payloads go to, as a decision has it.
        is_cancelled: called again and again while a request is under way.
        seconds: how long each request may take, its answer included.

    Raises:
        CollectorError: the endpoint, the proxy or the certificates cannot be used.
    """

    def __init__(
        self,
        endpoint: str,
        is_cancelled: Callable[[], bool] = lambda: False,
        seconds: float = REQUEST_SECONDS,
    ) -> None:
        self.endpoint = endpoint
        if problem := endpoint_problem(endpoint):
            raise CollectorError(f"{endpoint} is not asked: {problem}")
        try:
            self._connection = Connection(endpoint, seconds, is_cancelled)
        except NoAnswerError as error:
            raise CollectorError(f"{endpoint} cannot be asked: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def proxy(self) -> str:
        """The proxy that it is asked by, without its password; empty if there is none."""
        return self._connection.proxy

    def announcement(self) -> Announcement:
        """Ask what it does, and what it would derive from this machine; without a cookie.

        Raises:
            CollectorError: there was no answer, or none that can be understood.
        """
        policy = self._ask("GET", "policy", read_policy)
        me = self._ask("GET", "me", read_me)
        return Announcement(self.endpoint, self.proxy, policy, me)

    def data(self, cookie: str) -> list[JsonObject]:
        """Ask for everything that it has of a cookie.

        Raises:
            CollectorError: there was no answer, or none that can be understood.
        """
        return self._ask("GET", "data", read_data, cookie)

    def erase(self, cookie: str) -> int:
        """Have everything of a cookie erased; return how many spans that were.

        Raises:
            CollectorError: it was not erased, or nobody knows whether it was.
        """
        return self._ask("DELETE", "data", read_erased, cookie)

    def _ask(self, method: str, what: str, read: Callable[[bytes], Read], cookie: str = "") -> Read:
        url = beside(self.endpoint, what)
        headers = {"Accept": "application/json"}
        if cookie:
            headers["Authorization"] = f"Bearer {cookie}"
        try:
            reply = self._connection.ask(
                method, url, headers, most=MAX_DATA_BYTES if cookie else MAX_ANSWER_BYTES
            )
            return read(_body(reply))
        except NoAnswerError as error:
            raise CollectorError(f"{url} did not respond: {error}") from None
        except StrangeAnswerError as error:
            raise CollectorError(f"{url} was asked, but {error}") from None


def beside(endpoint: str, what: str) -> str:
    """Return where a collector is asked for something: the last part of the path is another."""
    parts = urlsplit(endpoint)
    folder = parts.path.rstrip("/").rpartition("/")[0]
    return parts._replace(path=f"{folder}/{what}", fragment="").geturl()


def _body(reply: Reply) -> bytes:
    """Return the body of a response that was a success.

    Raises:
        StrangeAnswerError: it was none, or cannot be read.
    """
    if reply.status != _OK:
        raise StrangeAnswerError(_refusal(reply))
    if not is_plain(reply):
        raise StrangeAnswerError("its response is compressed, which was not requested")
    if reply.problem:
        raise StrangeAnswerError(f"its response could not be read to the end: {reply.problem}")
    return reply.body


def _refusal(reply: Reply) -> str:
    response = f"it responded {reply.status}"
    if reply.status in REDIRECTED:
        location = reply.headers.get("Location", "")[:MAX_ANSWER_CHARACTERS]
        return f"{response}, and redirects are not followed (Location: {location})"
    if reply.status in _UNKNOWN_THERE:
        return f"{response}: it may be another kind of collector, which does not support this"
    if reply.status == _KEEPS_NOTHING:
        return f"{response}: it stores nothing itself, and forwards what it gets"
    if reply.status in _BUSY:
        again = reply.headers.get("Retry-After", "")[:_MAX_WORDS]
        return f"{response}: it is busy; try again {f'in {again} s' if again else 'later'}"
    words = reply.body[:_MAX_WORDS].decode("utf-8", "replace") if is_plain(reply) else ""
    return f"{response}: {words}" if words else response
