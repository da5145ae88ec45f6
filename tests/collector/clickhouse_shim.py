"""The real engine of ClickHouse (chdb) behind as much of its HTTP interface as clients use.

Run as `python clickhouse_shim.py FOLDER [PORT]`: it prints its port, and serves until it is killed.
https://clickhouse.com/docs/interfaces/http
"""

from __future__ import annotations

import gzip
import importlib
import json
import re
import sys
import tempfile
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_SETTINGS = frozenset({"mutations_sync", "lightweight_deletes_sync", "final", "max_threads"})
"""Those that are passed on; what else clients set is about how they are answered."""
_INSERT = re.compile(
    rb"^\s*INSERT\s+INTO\s+.*?\bFORMAT\s+(Native|JSONEachRow|TabSeparated|RowBinary)\s*\n?",
    re.IGNORECASE | re.DOTALL,
)
_CODE = re.compile(r"Code: (\d+)")


class Engine:
    """One session of the engine; it does one thing at a time."""

    def __init__(self, folder: str) -> None:
        self._session: Any = importlib.import_module("chdb.session").Session(folder)
        self._lock = threading.Lock()

    def run(self, statement: str, given: dict[str, str], data: bytes) -> bytes:
        """Run a statement, with what is to be inserted by it, and return the answer."""
        with self._lock, tempfile.NamedTemporaryFile(dir=sys.argv[1]) as file:
            if data:
                file.write(data)
                file.flush()
                head, kind = re.split(r"\s+FORMAT\s+", statement.strip(), flags=re.IGNORECASE)
                statement = f"{head} FROM INFILE '{file.name}' FORMAT {kind.strip()}"
            database = given.get("database", "")
            if database and database != "default":
                self._session.query(f"USE `{database}`")
            for name in _SETTINGS & given.keys():
                self._session.query(f"SET {name} = '{given[name]}'")
            params = {
                name.removeprefix("param_"): value
                for name, value in given.items()
                if name.startswith("param_")
            }
            if given.get("client_protocol_version") and not data:
                query = f"{statement.rstrip().rstrip(';')} FORMAT JSONCompact"
                return _block(json.loads(self._session.query(query, params=params).bytes()))
            named = re.search(r"\bFORMAT\s+\w+\s*;?\s*$", statement, re.IGNORECASE)
            answer: Any = self._session.query(
                statement, "TabSeparated" if not named else "Native", params=params
            )
            return bytes(answer.bytes() or b"")


def _block(answer: dict[str, Any]) -> bytes:
    """Write an answer as one block of Native, as it is since clients name their protocol.

    Of the types, the few that a client asks for before it inserts.
    """
    columns, rows = answer["meta"], answer["data"]
    block = b"\x01\x00\x02\xff\xff\xff\xff\x00" + _number(len(columns)) + _number(len(rows))
    for at, column in enumerate(columns):
        kind = column["type"]
        block += _text(column["name"]) + _text(kind) + b"\x00"
        for row in rows:
            if kind == "String":
                block += _text(row[at])
            else:
                block += int(row[at]).to_bytes({"UInt32": 4, "UInt64": 8}[kind], "little")
    return block


def _text(text: str) -> bytes:
    return _number(len(text.encode())) + text.encode()


def _number(number: int) -> bytes:
    """Write a number in sevens of bits."""
    written = b""
    while number > 0x7F:  # there are more
        written += bytes((number & 0x7F | 0x80,))
        number >>= 7
    return written + bytes((number,))


class Handler(BaseHTTPRequestHandler):
    """Serves one connection."""

    protocol_version = "HTTP/1.1"
    engine: Engine

    def do_GET(self) -> None:
        """Answer a ping, or a statement in the URL."""
        if urlsplit(self.path).path == "/ping":
            self._answer(200, b"Ok.\n")
        else:
            self.do_POST()

    def do_POST(self) -> None:
        """Run a statement."""
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = self._body()
        statement, data = given.get("query", ""), b""
        if statement:
            data = body
        else:
            found = _INSERT.match(body)
            at = found.end() if found else len(body)
            statement, data = body[:at].decode(), body[at:]
        if data and not re.search(r"\bFORMAT\s+\w+\s*$", statement, re.IGNORECASE):
            statement, data = f"{statement}\n{data.decode()}", b""
        try:
            answer = self.engine.run(statement, given, data)
        except Exception as error:  # noqa: BLE001  # as a server tells it
            code = _CODE.search(str(error))
            self._answer(500, f"{error}\n".encode(), code=code[1] if code else "1000")
        else:
            self._answer(200, answer)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        encoding = self.headers.get("Content-Encoding", "")
        if encoding == "gzip":
            return gzip.decompress(body)
        return zlib.decompress(body) if encoding == "deflate" else body

    def _answer(self, status: int, body: bytes, *, code: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-ClickHouse-Timezone", "UTC")
        self.send_header("X-ClickHouse-Format", "Native")
        self.send_header("X-ClickHouse-Server-Display-Name", "chdb")
        if code:
            self.send_header("X-ClickHouse-Exception-Code", code)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until killed."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    handler = type("Handler", (Handler,), {"engine": Engine(str(folder / "data"))})
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0  # it may be given
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
