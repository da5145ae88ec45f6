"""The commands that look at payloads, and send or drop them."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import promises
from ..errors import CqtelError
from ..outbox import PENDING
from ..outbox.envelope import TornEnvelopeError
from ..outbox.store import REJECTED, Outbox
from ..paths import places
from ..review.explain import Explanation, duration, explain
from ..review.export import as_curl, as_har
from ..review.traces import Inspection, read_inspection
from ..sanitize import printable
from ..status import time_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ..outbox.envelope import Envelope, Label

_MAX_FILE_BYTES = 8 * 1024 * 1024


def listing(given: argparse.Namespace) -> int:
    """List what is pending, sent or rejected, the newest first."""
    outbox = Outbox(places().state)
    labels = outbox.labels(given.box)[::-1]
    if given.json:
        print(json.dumps([_label_json(outbox, given.box, label) for label in labels], indent=2))
        return 0
    for label in labels:
        print(printable(_label_line(outbox, given.box, label)))
    if not labels:
        sys.stderr.write(f"cq-telemetry: nothing is {given.box}\n")
    return 0


def show(given: argparse.Namespace) -> int:
    """Show one payload: its exact bytes, or what each field is."""
    _, envelope = _open(given.id)
    if given.raw:
        sys.stdout.buffer.write(envelope.payload)
        return 0
    explanation = explain(envelope.payload)
    if given.json:
        print(json.dumps(_explanation_json(envelope, explanation), indent=2))
        return 0
    moment = datetime.fromtimestamp(envelope.created / 1_000_000, UTC).astimezone()
    print(f"payload    {envelope.id}, {len(envelope.payload)} bytes, {moment:%Y-%m-%d %H:%M:%S}")
    print(f"sha256     {envelope.sha256}")
    headers = ", ".join(f"{key}: {value}" for key, value in envelope.headers.items())
    print(printable(f"headers    {headers}"))
    if envelope.dropped:
        print(f"left out   {envelope.dropped} values that the catalogue or a bound does not allow")
    _print_explanation(explanation)
    return 0


def drop(given: argparse.Namespace) -> int:
    """Delete payloads unsent."""
    outbox = Outbox(places().state)
    for label in _labels(given, outbox, PENDING):
        outbox.drop(PENDING, label)
        sys.stderr.write(f"cq-telemetry: dropped {label.id}\n")
    return 0


def retry(given: argparse.Namespace) -> int:
    """Hold rejected payloads again."""
    outbox = Outbox(places().state)
    for label in _labels(given, outbox, REJECTED):
        outbox.retry(label)
        sys.stderr.write(f"cq-telemetry: {label.id} is held again\n")
    return 0


def send(given: argparse.Namespace) -> int:
    """Send payloads now; all of them must go, or the exit code is 1."""
    from ..deliver.sender import Outcome, Sender

    sender = Sender(places())
    labels = _labels(given, sender.outbox, PENDING)
    results = []
    for result in sender.send(labels):
        results.append(result)
        sys.stderr.write(
            f"cq-telemetry: {result.id} {result.outcome.value}: {printable(result.why)}\n"
        )
    if given.json:
        answers = [
            {"id": result.id, "outcome": result.outcome.value, "why": result.why}
            for result in results
        ]
        print(json.dumps(answers, indent=2))
    if not labels:
        sys.stderr.write("cq-telemetry: nothing is pending\n")
    return 0 if sum(r.outcome is Outcome.SENT for r in results) == len(labels) else 1


def export(given: argparse.Namespace) -> int:
    """Print requests as they would be sent: their bodies, an HTTP archive, or curl commands."""
    from ..consent import ask

    endpoint = ask(places()).endpoint or "http://127.0.0.1:4318/v1/traces"
    envelopes = [_open(identity)[1] for identity in given.id]
    if given.format == "json":
        for envelope in envelopes:
            sys.stdout.buffer.write(envelope.payload + b"\n")
    elif given.format == "har":
        print(json.dumps(as_har(envelopes, endpoint), indent=2))
    else:
        for envelope in envelopes:
            print(as_curl(envelope, endpoint))
    return 0


def inspect(given: argparse.Namespace) -> int:
    """Read a cq-telemetry.txt, ours or a 2021 release's, broken or not."""
    try:
        with Path(given.file).open("rb") as file:
            data = file.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise CqtelError(f"{given.file} cannot be read: {error.strerror}") from None
    found = read_inspection(data)
    if given.json:
        print(json.dumps(asdict(found), indent=2, default=str))
    else:
        _print_inspection(found)
    return 1 if found.problems and not found.traces else 0


def catalogue(given: argparse.Namespace) -> int:
    """Print every field that may ever be stored."""
    if given.json:
        print(promises.as_json())
    elif given.markdown:
        print(promises.as_markdown(), end="")
    else:
        for field in promises.FIELDS:
            print(f"{field.key} ({field.type}: {field.shape})")
            print(f"    “{field.sentence}”")
            print(f"    {field.why}")
            print(f"    identifying: {field.risk}, {field.because}\n")
        print("Never stored:")
        for sentence in promises.NOT_STORED.values():
            print(f"    {sentence}")
    return 0


def _open(identity: str) -> tuple[Label, Envelope]:
    outbox = Outbox(places().state)
    box, label = outbox.find(identity)
    try:
        return label, outbox.open(box, label)
    except TornEnvelopeError as error:
        lies = outbox.set_aside(box, label)
        raise CqtelError(f"{label.id} cannot be shown: {error}. It lies in {lies}") from None


def _labels(given: argparse.Namespace, outbox: Outbox, box: str) -> Sequence[Label]:
    if bool(given.id) == given.all:
        raise CqtelError("Name the payloads by their ids, or all of them with --all.")
    if given.all:
        return outbox.labels(box)
    return [outbox.find(identity, (box,))[1] for identity in given.id]


def _label_line(outbox: Outbox, box: str, label: Label) -> str:
    moment = datetime.fromtimestamp(label.created / 1_000_000, UTC).astimezone()
    line = (
        f"{label.id}  {moment:%Y-%m-%d %H:%M:%S}  {label.operation:<16} {label.outcome:<6} "
        f"{duration(label.duration * 1_000_000):>10} {label.size:>7} B  "
        f"{label.app} {label.version}"
    )
    receipt = outbox.receipt(box, label) if box != PENDING else None
    return f"{line}  {receipt.status} {receipt.url}" if receipt else line.rstrip()


def _label_json(outbox: Outbox, box: str, label: Label) -> dict[str, Any]:
    row = {**asdict(label), "created": time_json(label.created / 1_000_000)}
    receipt = outbox.receipt(box, label) if box != PENDING else None
    if receipt:
        row["receipt"] = {**asdict(receipt), "time": time_json(receipt.time / 1_000_000)}
    return row


def _explanation_json(envelope: Envelope, explanation: Explanation) -> dict[str, Any]:
    return {
        "id": envelope.id,
        "sha256": envelope.sha256,
        "length": len(envelope.payload),
        "headers": dict(envelope.headers),
        "dropped": envelope.dropped,
        "unreadable": explanation.unreadable,
        "fields": [
            {
                "group": row.group,
                "key": row.key,
                "value": row.value,
                "known": row.field is not None,
                "problem": row.problem,
                "promise": row.field.sentence if row.field else None,
                "why": row.field.why if row.field else None,
                "risk": row.field.risk if row.field else None,
            }
            for row in explanation.rows
        ],
    }


def _print_explanation(explanation: Explanation) -> None:
    if explanation.unreadable:
        print(f"\n{printable(explanation.unreadable)}")
    group = None
    for row in explanation.rows:
        if row.group != group:
            group = row.group
            print(f"\n{group}")
        print(f"  {row.key} = {row.value}")
        if row.field is None:
            print(f"      !! {row.problem}")
        else:
            print(f"      “{row.field.sentence}” {row.field.why}")
    if explanation.left_out:
        print(f"\n… and {explanation.left_out} more")


def _print_inspection(found: Inspection) -> None:
    for trace in found.traces:
        print(printable(f"{trace.scope_name} {trace.scope_version}".strip()))
        for key, value in trace.resource:
            print(f"  {printable(key)} = {printable(json.dumps(value))}")
        for span in trace.spans:
            mark = "failed" if span.status_code == "error" else ""
            print(f"  {duration(span.duration_nano):>12}  {printable(span.name)} {mark}".rstrip())
            for key, value in span.attributes:
                print(f"{'':16}{printable(key)} = {printable(json.dumps(value))}")
        for problem in [*trace.problems, *(p for span in trace.spans for p in span.problems)]:
            sys.stderr.write(f"cq-telemetry: {printable(problem)}\n")
    for document in found.unknown:
        print(printable(json.dumps(document, indent=2), newlines=True))
    for fault in found.problems:
        sys.stderr.write(f"cq-telemetry: {printable(str(fault))}\n")
