from __future__ import annotations

from typing import TYPE_CHECKING

from cqtel_tui import Telemetry
from cqtel_tui.deliver.sender import Outcome
from cqtel_tui.outbox.store import REJECTED
from cqtel_tui.outbox.writing import PENDING

if TYPE_CHECKING:
    import pytest
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

    from ..e2e.rotel_receiver import Receiver
    from .conftest import Machine


def plain(attributes: object) -> dict[str, object]:
    """Return OTLP attributes as plain Python values."""
    found: dict[str, object] = {}
    each: KeyValue
    for each in attributes:  # type: ignore[attr-defined]
        kind = each.value.WhichOneof("value")
        value = getattr(each.value, str(kind))
        found[each.key] = (
            [one.string_value for one in value.values] if kind == "array_value" else value
        )
    return found


def test_a_real_receiver_understands_what_we_send(
    machine: Machine, rotel: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.choose(telemetry="on", catalogue=1, consented=0, endpoint=rotel.endpoint, debug=True)
    (machine.project / ".cq" / "providers" / "cloudquery" / "aws" / "v0.1.0-linux_amd64").mkdir(
        parents=True
    )
    monkeypatch.setenv("CQ_TELEMETRY_HOME", str(machine.home))
    monkeypatch.setattr("cqtel_tui.outbox.dispatch.start_if_due", lambda *_: False)
    telemetry = Telemetry("cloudquery", version="0.20.0", build_date="2021-12-01")
    try:
        with telemetry.operation("fetch") as operation, operation.span("fetch.aws"):
            raise ValueError("käse")
    except ValueError:
        pass
    assert telemetry.lost == 0
    [label] = machine.labels(PENDING)
    envelope = machine.outbox.open(PENDING, label)
    [result] = machine.sender().send_due()
    assert (result.outcome, result.why) == (Outcome.SENT, "it responded 200")

    [request] = rotel.received()
    [resource] = request.resource_spans
    attributes = plain(resource.resource.attributes)
    cookie = (machine.project / ".cq" / "telemetry-cookie").read_text().strip()
    assert attributes == {
        "service.name": "cloudquery",
        "service.version": "0.20.0",
        "cloudquery.build_date": "2021-12-01",
        "cloudquery.ci": False,
        "cloudquery.debug": True,
        "cloudquery.plugins": ["provider/cloudquery/aws@v0.1.0"],
        "service.instance.id": cookie,
    }
    outer, inner = rotel.spans()
    assert (outer.name, inner.name) == ("fetch", "fetch.aws")
    assert inner.parent_span_id == outer.span_id
    assert inner.trace_id == outer.trace_id
    assert outer.start_time_unix_nano <= inner.start_time_unix_nano
    assert inner.end_time_unix_nano <= outer.end_time_unix_nano
    assert plain(inner.attributes) == {"error.type": "ValueError", "exception.message": "käse"}
    assert outer.span_id.hex().encode() in envelope.payload


def test_a_real_receiver_refuses_what_is_not_a_payload(machine: Machine, rotel: Receiver) -> None:
    machine.allow(rotel.endpoint)
    machine.hold(b"{}{}")
    [result] = machine.sender().send_due()
    assert result.outcome is Outcome.REJECTED
    assert machine.outbox.receipt(REJECTED, machine.labels(REJECTED)[0]) == result.receipt
