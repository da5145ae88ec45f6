"""What somebody might put into a payload, a file name or a variable to get at the terminal."""

from __future__ import annotations

import json
import re

ATTACKS = {
    "markup closing": "[/nope]",
    "markup in a command": "list[int] args=[/usr/bin]",
    "markup action": "[@click=app.quit]quit[/]",
    "markup link": "[link=https://evil.example]docs[/link]",
    "osc 52": "\x1b]52;c;cm0gLXJmIC8=\x07",
    "osc 8": "\x1b]8;;https://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "title": "\x1b]0;owned\x07",
    "csi": "\x1b[2J\x1b[1;1H\x1b[31mred",
    "dcs": "\x1bPq#0;2;0;0;0\x1b\\",
    "c1": "\x9b2J\x9d0;owned\x9c",
    "bidi": "abc\u202etxt.exe\u2066\u2069",
    "zero width": "pay\u200bload\u2060\ufeff",
    "bell, backspace, carriage return": "safe\r\x08\x08\x07evil",
    "newlines": "one\ntwo\r\nthree\u2028four\x0bfive\x85six",
    "tags": "a" + "".join(chr(0xE0000 + ord(letter)) for letter in "hidden"),
    "marks": "Z" + "\u0301" * 200,
    "surrogate": "\ud800",
}
"""By name, each a text."""

CONTROLS = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
"""What no terminal may be given as a part of untrusted text."""

EVERYTHING = " ".join(text for name, text in ATTACKS.items() if name != "surrogate")


def payload(text: str = EVERYTHING) -> bytes:
    """Return a payload that is well formed, with a hostile text wherever there can be one."""
    attribute = {"key": text, "value": {"stringValue": text}}
    span = {
        "traceId": text,
        "spanId": text,
        "name": text,
        "kind": 1,
        "startTimeUnixNano": text,
        "endTimeUnixNano": "1",
        "attributes": [attribute, {"key": "error.type", "value": {"stringValue": text}}],
        "status": {"code": 2, "message": text},
        text: text,
    }
    scope = {"scope": {"name": text, "version": text}, "spans": [span]}
    resource = {"attributes": [attribute, {"key": "service.name", "value": {"stringValue": text}}]}
    document = {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}], text: [text]}
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


PAYLOADS = {
    "everywhere": payload(),
    "not json": EVERYTHING.encode(),
    "not utf-8": b"\xff\xfe\x80\x9b2J" * 50,
    "empty": b"",
    "deep": b"[" * 900 + b"]" * 900,
    "deeper": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "nan": b'{"resourceSpans":[NaN,Infinity,-Infinity,1e999]}',
    "twice": b'{"resourceSpans":[],"resourceSpans":[1]}',
    "long line": json.dumps({"resourceSpans": [], "x": "y" * 100_000}).encode(),
    "many lines": b"[" + b",".join([b"1"] * 120_000) + b"]",
    "many marks": ("a" + "\u0301" * 100_000).encode(),
    "wrong types": b'{"resourceSpans":{"resource":[1,{"a":null}]},"scopeSpans":"x"}',
    "big numbers": b'{"resourceSpans":[' + b"9" * 10_000 + b"]}",
}
"""By name, each the bytes of a payload."""
