"""The commands that look at payloads, and send or drop them."""

from __future__ import annotations

import json
import os
import stat
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from ..actions import dropping, sending, trimming
from ..actions.showing import explained, note_payload_shown
from ..deliver.permission import DUE, grounds, permission
from ..errors import CqtelError, WrongUsageError
from ..formats.inspection import read_inspection
from ..outbox.envelope import TornEnvelopeError
from ..outbox.runs import read_runs, run_of
from ..outbox.store import REJECTED, Outbox
from ..outbox.writing import PENDING
from ..paths import places
from ..review import promises
from ..review.destination import INTERCEPTED, UNREDACTED
from ..review.export import as_curl, as_har, asked_for
from ..standard_streams import is_terminal
from . import wording
from .comparing import show_intercepted
from .output import say, show, show_bytes, show_json, tell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from ..outbox.envelope import Envelope, Label

_MAX_FILE_BYTES = 8 * 1024 * 1024
_INSPECTION = "cq-telemetry.txt"
_NO_WAITING = getattr(os, "O_NONBLOCK", 0)  # for a FIFO that somebody put in a project
_LOCAL_COLLECTOR = "http://127.0.0.1:4318/v1/traces"


def show_payload(arguments: argparse.Namespace) -> int:
    """Show one payload: its exact bytes, what each field is, or what should not be in it."""
    if arguments.raw and arguments.json:
        raise WrongUsageError("Choose one: --raw for the exact bytes, or --json for the fields.")
    label, envelope = _open(arguments.id)
    if not arguments.leaks and not arguments.intercepted:
        note_payload_shown(places(), envelope)
    may = permission(envelope, grounds(places(), envelope), DUE)
    if arguments.raw:
        if is_terminal(sys.stdout):  # a file or a pipe gets the body alone
            _say_headers(envelope, may.url, reveal=arguments.reveal)
        show_bytes(envelope.payload)
        return 0
    if arguments.leaks:
        return _show_leaks(envelope, as_json=arguments.json)
    if arguments.intercepted:
        return show_intercepted(envelope, as_json=arguments.json)
    explanation = explained(envelope, places())
    run = run_of(read_runs(places().state), label.id)
    if arguments.json:
        show_json(
            wording.explanation_json(envelope, explanation, may, run, reveal=arguments.reveal)
        )
    else:
        wording.show_explanation(label, envelope, explanation, may, run, reveal=arguments.reveal)
    return 0


def _say_headers(envelope: Envelope, url: str | None, *, reveal: bool) -> None:
    for name, value in wording.headers_of(envelope, url, reveal=reveal):
        say(f"{name}: {value}")


def _show_leaks(envelope: Envelope, *, as_json: bool) -> int:
    """Show what should not be in a payload; a failure if there is anything."""
    from ..gate.surroundings import surroundings_here

    if envelope.intercepted:
        from ..gate.reviewing import leak_report

        report = leak_report(envelope, surroundings_here())
    else:
        from ..review.requests import scan_request

        here = surroundings_here()
        report = scan_request(envelope.payload, envelope.headers, here, envelope.kind)
    if as_json:
        show_json(asdict(report))
    else:
        if envelope.intercepted:
            show(f"checked {len(envelope.payload):,} B, which is what would be sent:")
        wording.show_leaks(report)
    return 1 if report.findings else 0


def trim(arguments: argparse.Namespace) -> int:
    """Take fields out of a pending payload; without any, list those that it has."""
    outbox = Outbox(places().state)
    _, label = outbox.find(arguments.id, [PENDING])
    _, envelope = _open(label.id)
    if arguments.path:
        tell(
            trimming.trim(outbox, trimming.plan_trim(label, envelope, arguments.path)), listed=True
        )
        _, label = outbox.find(label.id, [PENDING])
    _, rows = trimming.read_fields(outbox, label)
    if arguments.json:
        show_json([asdict(row) for row in rows])
    else:
        for row in rows:
            show(f"{row.path} = {json.dumps(row.value, ensure_ascii=False)}")
    return 0


def drop(arguments: argparse.Namespace) -> int:
    """Delete payloads unsent."""
    outbox = Outbox(places().state)
    plan = dropping.plan_drop(PENDING, _chosen(arguments, outbox, PENDING))
    tell(dropping.drop(outbox, plan), listed=True)
    return 0


def retry(arguments: argparse.Namespace) -> int:
    """Let rejected payloads be pending again."""
    outbox = Outbox(places().state)
    plan = dropping.plan_retry(_chosen(arguments, outbox, REJECTED))
    tell(dropping.retry(outbox, plan), listed=True)
    return 0


def send(arguments: argparse.Namespace) -> int:
    """Send payloads now; all of them must go, or the exit code is 1."""
    labels = _chosen(arguments, Outbox(places().state), PENDING)
    deliveries = []
    if labels:
        request = sending.ALL if arguments.all else sending.NAMED
        if arguments.once:
            request = replace(request, is_once=True)
        try:
            for delivery in sending.send(places(), labels, request):
                deliveries.append(delivery)
                say(sending.delivery_line(delivery))
        except KeyboardInterrupt:
            say("stopped; what was under way may have arrived: see cq-telemetry pending")
            raise
    if arguments.json:
        show_json([{"id": d.id, "outcome": d.outcome.value, "why": d.why} for d in deliveries])
    for line in sending.sending_result(labels, deliveries).lines[len(deliveries) :]:
        say(line)
    return 0 if sending.were_all_sent(labels, deliveries) else 1


def export(arguments: argparse.Namespace) -> int:
    """Print requests as they would be sent: their bodies, an HTTP archive, or curl commands."""
    envelopes = [_open(identity)[1] for identity in arguments.id]
    if unredacted := [one.id for one in envelopes if one.kind == UNREDACTED]:
        raise CqtelError(
            f"{', '.join(unredacted)} could not be redacted, and would never be sent. "
            "See what was intercepted: cq-telemetry show ID --intercepted"
        )
    if arguments.format == "json":
        for envelope in envelopes:
            may = permission(envelope, grounds(places(), envelope), DUE)
            _say_headers(envelope, may.url, reveal=arguments.reveal)
            show_bytes(envelope.payload, end=b"\n")
        return 0
    urls = {envelope.id: _endpoint_of(envelope) for envelope in envelopes}
    if any(urls[envelope.id] is None and envelope.origin != INTERCEPTED for envelope in envelopes):
        say(f"no endpoint is set; as if it were {_LOCAL_COLLECTOR}")
    requests = [(envelope, urls[envelope.id] or _LOCAL_COLLECTOR) for envelope in envelopes]
    if arguments.format == "har":
        archive, *more = [as_har([one], url, reveal=arguments.reveal) for one, url in requests]
        for other in more:
            archive["log"]["entries"] += other["log"]["entries"]
        show_json(archive)
        return 0
    for command in [as_curl(envelope, url, reveal=arguments.reveal) for envelope, url in requests]:
        show(command)
    if arguments.reveal:
        return 0
    variables = {name: header for one in envelopes for header, name in asked_for(one).items()}
    for name, header in variables.items():
        say(f"{header} is not shown: the command takes it from ${name}, or export with --reveal")
    return 0


def _endpoint_of(envelope: Envelope) -> str | None:
    """Return the user's endpoint for an envelope's program, in its project."""
    return grounds(places(), envelope).decision.endpoint


def inspect(arguments: argparse.Namespace) -> int:
    """Read a cq-telemetry.txt, ours or a 2021 release's, broken or not."""
    inspection = read_inspection(_read_file(arguments.file))
    if arguments.json:
        show_json(wording.inspection_json(inspection))
    else:
        wording.show_inspection(inspection)
    return 1 if inspection.problems and not inspection.traces else 0


def _read_file(name: str | None) -> bytes:
    """Return the beginning of a file, more than is ever looked at; None is the usual one."""
    try:
        opened = os.open(name or _INSPECTION, os.O_RDONLY | (0 if name else _NO_WAITING))
        with os.fdopen(opened, "rb") as file:
            if name is None and not stat.S_ISREG(os.fstat(opened).st_mode):
                raise CqtelError(f"{_INSPECTION} is not a regular file. Name the one you mean.")
            return file.read(_MAX_FILE_BYTES)
    except OSError as error:
        advice = "" if name else " To have one written: --inspect-telemetry, or name another file."
        raise CqtelError(
            f"{name or _INSPECTION} cannot be read: {error.strerror}.{advice}"
        ) from None


def catalogue(arguments: argparse.Namespace) -> int:
    """Print every field that may be stored."""
    if arguments.json:
        sys.stdout.write(f"{promises.as_json()}\n")
    elif arguments.markdown:
        sys.stdout.write(promises.as_markdown())
    else:
        wording.show_catalogue()
    return 0


def _open(identity: str) -> tuple[Label, Envelope]:
    """Return an envelope of any box, without changing anything."""
    outbox = Outbox(places().state)
    box, label = outbox.find(identity)
    try:
        envelope = outbox.open(box, label)
    except TornEnvelopeError as error:
        way_out = f"cq-telemetry drop {label.id}" if box == PENDING else "removing that file"
        raise CqtelError(
            f"{label.id} cannot be shown: {error}. It is in {outbox.path(box, label)}; "
            f"{way_out} deletes it."
        ) from None
    return label, envelope


def _chosen(arguments: argparse.Namespace, outbox: Outbox, box: str) -> Sequence[Label]:
    """Return the envelopes that were named, in that order, or all of a box, the oldest first."""
    if bool(arguments.id) == arguments.all:
        raise WrongUsageError("Name payloads by their ids, or all of them by --all; not both.")
    if arguments.all:
        labels = outbox.labels(box)
        if not labels:
            say(f"nothing is {box}")
        return labels
    return list(dict.fromkeys(outbox.find(identity, (box,))[1] for identity in arguments.id))
