"""Ask ClickHouse, the store of record behind the edges, by way of its own client."""

from __future__ import annotations

import os
import urllib.parse
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import CqtelError, WrongUsageError
from .schema import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DATABASE = "cqtel"
USER, PASSWORD = "CQTEL_CLICKHOUSE_USER", "CQTEL_CLICKHOUSE_PASSWORD"
"""Variables; a password is in no command line."""
SCHEMES = {"clickhouse": (False, 8123), "clickhouses": (True, 8443), "http": (False, 8123),
           "https": (True, 8443)}  # fmt: skip
"""Of its HTTP interface: whether with TLS, and the port where none is named."""
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 300
_WORDS = 300


class DatabasePlace(NamedTuple):
    """Where a database of ours is.

    Attributes:
        host: a name or an address.
        port: of the HTTP interface.
        has_tls: whether it is HTTPS.
        database: its name.
    """

    host: str
    port: int
    has_tls: bool
    database: str

    def __str__(self) -> str:
        """Return it as it was given."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"clickhouse{'s' * self.has_tls}://{host}:{self.port}/{self.database}"


def is_place(text: str) -> bool:
    """Tell whether a text names a ClickHouse rather than a file."""
    return text.partition("://")[0] in SCHEMES and "://" in text


def read_place(text: str) -> DatabasePlace:
    """Read where ClickHouse is, such as `clickhouse://127.0.0.1:8123/cqtel`.

    Raises:
        WrongUsageError: it is no such place, or has a password, which is no part of a command.
    """
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port
        is_usable = parts.scheme in SCHEMES and bool(parts.hostname) and port != 0
    except ValueError:
        is_usable, parts, port = False, urllib.parse.urlsplit(""), None
    database = parts.path.strip("/") or DATABASE
    if not is_usable or not text.isascii() or not database.replace("_", "a").isalnum():
        raise WrongUsageError(
            f"{text} is no ClickHouse, such as clickhouse://127.0.0.1:8123/{DATABASE}"
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise WrongUsageError(
            f"A ClickHouse is named without user and password: these are in {USER} and {PASSWORD}"
        )
    has_tls, usual = SCHEMES[parts.scheme]
    return DatabasePlace(parts.hostname or "", port or usual, has_tls, database)


class ClickHouse:
    """A database of ours in ClickHouse.

    Args:
        place: where it is.

    Raises:
        StoreError: it does not answer.
        CqtelError: what asks it is not installed.
    """

    def __init__(self, place: DatabasePlace) -> None:
        try:
            import clickhouse_connect
            from clickhouse_connect.driver import httputil
        except ModuleNotFoundError:
            from ..extras import how_to_install

            raise CqtelError(
                "Asking ClickHouse needs clickhouse-connect, which is not installed. "
                f"Install it with: {how_to_install('clickhouse')}"
            ) from None
        from clickhouse_connect.driver.exceptions import ClickHouseError

        self.place = place
        self._error = ClickHouseError
        try:
            self._client = clickhouse_connect.get_client(
                host=place.host,
                port=place.port,
                secure=place.has_tls,
                username=os.environ.get(USER) or "default",
                password=os.environ.get(PASSWORD) or "",
                connect_timeout=_CONNECT_SECONDS,
                send_receive_timeout=_ANSWER_SECONDS,
                autogenerate_session_id=False,
                # With one of our own, no proxy is used that nobody named here.
                pool_mgr=httputil.get_pool_manager(),
            )
        except ClickHouseError as error:
            raise self._failed(error) from None

    def rows(self, statement: str, **values: object) -> Sequence[Sequence[Any]]:
        """Return the rows of a query; `{database}` in it is the database.

        Raises:
            StoreError: ClickHouse does not answer, or refuses the query.
        """
        try:
            result = self._client.query(self._named(statement), parameters=values)
        except self._error as error:
            raise self._failed(error) from None
        rows: Sequence[Sequence[Any]] = result.result_rows
        return rows

    def do(
        self, statement: str, settings: Mapping[str, object] | None = None, **values: object
    ) -> None:
        """Carry out a statement; `{database}` in it is the database.

        Raises:
            StoreError: it was not.
        """
        try:
            self._client.command(
                self._named(statement), parameters=values, settings=dict(settings or {})
            )
        except self._error as error:
            raise self._failed(error) from None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _named(self, statement: str) -> str:
        return statement.replace("{database}", f"`{self.place.database}`")

    def _failed(self, error: Exception) -> StoreError:
        words = " ".join(str(error).split())[:_WORDS]
        return StoreError(f"{self.place} did not do what it was asked for: {words}")
