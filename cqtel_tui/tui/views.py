"""Turn the rows of `review` into paragraphs: what the detail of a payload shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from textual.content import Content

from ..actions.results import number
from ..review.destination import UNREAD, UNREDACTED, UNREDACTED_WORDS
from ..review.headers import request_headers, shown_headers
from ..sanitize import one_line, printable, printable_bytes
from .looks import HEADING, LOUD, QUIET, SAFE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..outbox.envelope import Envelope
    from ..outbox.receipts import Receipt
    from ..review.leaks import LeakReport
    from ..review.needles import Surroundings
    from ..rights.announced import Line

MAX_RAW_BYTES = 256 * 1024
"""As long as a payload may be; of what is longer, and not ours, less is shown."""
_RAW_OF_MORE = 64 * 1024
CROSS = "\N{MULTIPLICATION SIGN}"
"""The sign of a failure: every font has it."""
_CHUNK = 4096
_MAX_SHORT = 22


def as_json(envelope: Envelope) -> bytes:
    """Return a payload as JSON; as it is where it is that already, or cannot be read."""
    from ..formats.documents import is_plain_json

    if is_plain_json(envelope.kind):
        return envelope.payload
    from ..gate.reviewing import readable

    return readable(envelope)


def raw(
    envelope: Envelope, *, verbatim: bool, url: str | None = None, reveal: bool = False
) -> list[Content]:
    """Return the payload's bytes, indented or as they are, with their hash and all headers.

    Args:
        envelope: its envelope.
        verbatim: whether the bytes are shown as they are.
        url: where it would go; None for nowhere.
        reveal: whether credentials in headers are shown.
    """
    from ..formats.strict_json import UnreadableError, parse

    headers = request_headers(envelope.headers, len(envelope.payload), url)
    shown = shown_headers(headers, reveal=reveal)
    lines = [
        fact("sha256", envelope.sha256),
        fact("length", f"{len(envelope.payload):,} bytes"),
        *(fact("header", f"{name}: {value}") for name, value in shown),
    ]
    if shown != shown_headers(headers, reveal=True):
        lines.append(muted("A credential is masked; H shows it."))
    lines += [
        muted(
            "Byte for byte what would be sent."
            if verbatim
            else "Indented; v shows the exact bytes."
        ),
        Content(""),
    ]
    payload = envelope.payload
    if envelope.kind == UNREDACTED:
        return [*lines, warning(UNREDACTED_WORDS)]
    if not verbatim and envelope.kind != UNREAD:
        try:
            text = json.dumps(parse(as_json(envelope)), indent=2, ensure_ascii=False)
        except UnreadableError as error:
            lines += [warning(str(error)), Content("")]
        else:
            return lines + [Content(line) for line in _lines(text)]
    lines += in_chunks(payload)
    if len(payload) > MAX_RAW_BYTES:
        lines.append(muted(f"All of it: cq-telemetry show {envelope.id} --raw"))
    return lines


def in_chunks(data: bytes) -> list[Content]:
    """Return bytes made visible, so many of them as anybody may want to read."""
    shown = data if len(data) <= MAX_RAW_BYTES else data[:_RAW_OF_MORE]
    chunks = [shown[at : at + _CHUNK] for at in range(0, len(shown), _CHUNK)]
    lines = [Content(printable_bytes(chunk)) for chunk in chunks]
    if len(data) > len(shown):
        lines.append(warning(f"… and {number(len(data) - len(shown), 'more byte')}"))
    return lines


def leaks(envelope: Envelope, surroundings: Surroundings) -> list[Content]:
    """Return what must not be in a payload that was recorded here and is; and what was looked for.

    Args:
        envelope: its envelope.
        surroundings: what is around this program.
    """
    from ..review.requests import scan_request

    return leak_lines(scan_request(envelope.payload, envelope.headers, surroundings, envelope.kind))


def leak_lines(report: LeakReport, also: Sequence[Content] = ()) -> list[Content]:
    """Return what was that should not be there, and what was looked for.

    Args:
        report: what was found.
        also: what is said before what was looked for.
    """
    lines: list[Content] = []
    if report.findings:
        findings = number(len(report.findings) + report.left_out, "thing")
        lines += [warning(f"What should not be in this payload: {findings}."), Content("")]
    else:
        lines += [good("Nothing was that should not be there."), Content("")]
    for finding in report.findings:
        where = f"{finding.group} {finding.key}".strip() or f"line {finding.line:,}"
        disguise = f", {finding.disguise}" if finding.disguise else ""
        times = f", {finding.count:,} times" if finding.count > 1 else ""
        lines += [
            Content.assemble(("  !! ", LOUD), (f"{finding.what}{disguise}", "bold")),
            Content(f"      in {where}, byte {finding.offset:,}{times}: {finding.excerpt}"),
            muted(f"      {finding.advice}"),
        ]
    if report.findings:
        lines.append(Content(""))
    lines += [
        *also,
        title("Checked for"),
        *(Content(f"  · {words}") for words in report.looked_for),
    ]
    if report.not_looked_for:
        lines += [Content(""), title("Not checked")]
        lines += [Content(f"  · {words}") for words in report.not_looked_for]
    return lines


def changed(envelope: Envelope, agreed: int, *, has_agreed: bool) -> list[Content]:
    """Return in what the payload differs from what it could have been.

    Args:
        envelope: its envelope.
        agreed: the catalogue version whose fields may be recorded.
        has_agreed: whether the user ever said yes to it.
    """
    from ..review.changes import changes

    changed = changes(envelope.payload, dropped=envelope.dropped, agreed=agreed)
    lines = [title("Debug mode"), Content(f"  {changed.unreadable or changed.debug}")]
    lines += [
        Content.assemble("  + ", (each.field.key, "bold"), f"  in {each.part}: {each.value}")
        for each in changed.added_by_debug
    ]
    lines += [Content(""), title("Left out"), Content(f"  {changed.left_out}")]
    lines += [Content(""), title("A newer catalogue")]
    if not changed.newer:
        said = (
            "you agreed to every field there is"
            if has_agreed
            else "you have not agreed to any field"
        )
        lines.append(Content(f"  There is none: {said}."))
    lines += [
        Content.assemble("  + ", (field.key, "bold"), f"  {field.why}") for field in changed.newer
    ]
    return lines


def receipt_lines(receipt: Receipt | None, *, intact: bool | None = None) -> list[Content]:
    """Return what was sent, where to, and what was answered."""
    if receipt is None:
        return [warning("There is no receipt.")]
    lines = [
        fact("answered", f"{moment(receipt.time)}, HTTP {receipt.status}"),
        fact("sent to", one_line(receipt.url, 300)),
        fact("sha256", one_line(receipt.sha256, 64)),
        fact("length", f"{receipt.length:,} bytes"),
    ]
    if receipt.proxy:
        lines.append(fact("by proxy", one_line(receipt.proxy, 300)))
    if receipt.rejected_spans:
        lines.append(warning(f"The server refused {number(receipt.rejected_spans, 'span')} of it."))
    if receipt.answer:
        lines.append(fact("response", one_line(receipt.answer, 500)))
    if intact is not None:  # first, where it stays in sight
        verdict = (
            good("Verified: the bytes stored here have the SHA-256 of what was sent.")
            if intact
            else warning("The bytes stored here do NOT have the SHA-256 of what was sent.")
        )
        lines.insert(0, verdict)
    return lines


def moment(microseconds: int) -> str:
    """Return a time since 1970 as a calendar here has it; a file may say any number."""
    try:
        there = datetime.fromtimestamp(microseconds / 1_000_000, UTC)
        return f"{there.astimezone():%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return "at an impossible time"


def fact(name: str, value: str) -> Content:
    """Return a name and its value; both literal."""
    return Content.assemble((f"{name:<10} ", QUIET), value)


def line(said: Line) -> Content:
    """Return a line of what a collector says."""
    if said.is_warning:
        return Content.assemble(" " * 11, warning(said.text))
    return fact(said.name, said.text)


def muted(text: str) -> Content:
    """Return a remark."""
    return Content(text).stylize(QUIET)


def warning(text: str) -> Content:
    """Return what a person must not miss; told by words and a sign, not by colour alone."""
    return Content(f"!! {text}").stylize(LOUD)


def good(text: str) -> Content:
    """Return what went well."""
    return Content(f"✓ {text}").stylize(SAFE)


def title(text: str) -> Content:
    """Return a heading."""
    return Content(text).stylize(HEADING)


def _lines(text: str) -> Sequence[str]:
    return printable(text, limit=MAX_RAW_BYTES, newlines=True).split("\n")
