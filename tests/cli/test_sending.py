from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.deliver.sender import Sender
from cqtel_tui.outbox.writing import PENDING

from ..deliver.collectors import reply

if TYPE_CHECKING:
    from ..deliver.collectors import Collector
    from .conftest import Here


@pytest.fixture
def allowed(cq: Here, collector: Collector) -> Here:
    cq("on")
    cq("endpoint", collector.url)
    return cq


@pytest.mark.parametrize("choice", ["on", "undecide", "off"])
def test_without_a_yes_or_an_endpoint_nothing_is_sent_and_it_says_what_to_do(
    cq: Here, choice: str, collector: Collector
) -> None:
    identity = cq.hold()
    cq(choice)
    if choice != "on":
        cq("endpoint", collector.url)
    ended = cq("send", identity)
    assert (ended.code, ended.out) == (1, b"")
    assert ended.said.startswith(f"cq-telemetry: {identity} refused: ")
    way_out = {
        "on": "cq-telemetry endpoint URL",
        "undecide": "to send it this once: cq-telemetry send --once",
        "off": "cq-telemetry on --program cloudquery",
    }[choice]
    assert ended.said.endswith(f"{way_out}\n")
    assert collector.requests == []
    assert cq.counts() == (1, 0, 0)


def test_what_is_undecided_is_sent_once_and_nothing_is_decided(
    cq: Here, collector: Collector
) -> None:
    cq("endpoint", collector.url)
    first, second = cq.record(), cq.record()
    assert cq("send", "--once", first).code == 0
    assert len(collector.bodies) == 1
    assert cq.counts() == (1, 1, 0)
    assert cq("status", "--json").json["decision"] == "hold"
    assert not (cq.project / ".cq" / "telemetry-cookie").exists()
    refused = cq("send", second)
    assert (refused.code, len(collector.bodies)) == (1, 1), "once is not always"


@pytest.mark.parametrize("no", [("off",), ("off", "--all-programs"), ("off", "--project")])
def test_a_no_holds_for_what_is_to_be_sent_once_too(
    cq: Here, collector: Collector, no: tuple[str, ...]
) -> None:
    cq("endpoint", collector.url)
    identity = cq.record()
    cq(*no)
    assert cq("send", "--once", identity).code == 1
    assert cq("send", "--once", "--all").code == 1
    assert collector.connections == 0


def test_the_list_says_where_each_payload_goes(cq: Here, collector: Collector) -> None:
    cq.record()
    assert cq("pending", "--json").json[0]["destination"] == {"kind": "none", "url": None}
    cq("endpoint", collector.url)
    upstream = "https://events.example/v1/batch"
    cq.hold(origin="gate", target=upstream)
    rows = cq("pending", "--json").json
    assert {(row["origin"], *row["destination"].values()) for row in rows} == {
        ("record", "endpoint", collector.url),
        ("gate", "upstream", upstream),
    }
    lines = cq("pending").lines
    assert any(line.endswith(f"→ {collector.url} (your endpoint)") for line in lines)
    assert any(line.endswith(f"→ {upstream} (the program's own)") for line in lines)


def test_the_list_marks_what_a_yes_did_not_include(cq: Here) -> None:
    cq("endpoint", "https://collector.example")
    where = "https://collector.example/v1/traces (your endpoint)"
    before = cq.record()
    assert cq("pending").lines[0].endswith(f"→ {where}"), "without a yes nothing is left out"
    cq("on")
    after = cq.record()
    listed = cq("pending")
    marks = {line.split()[0]: line.endswith(f"! {where}") for line in listed.lines}
    assert marks == {before: True, after: False}
    assert "what is marked ! was pending before your yes" in listed.said
    cq("on", "--include-held")
    listed = cq("pending")
    assert not any("!" in line for line in listed.lines)
    assert "marked" not in listed.said


def test_the_exact_bytes_are_sent_and_a_receipt_is_kept(
    allowed: Here, collector: Collector
) -> None:
    identity = allowed.hold(b'{"resourceSpans": [ ] }')
    ended = allowed("send", identity[:8])
    assert (ended.code, ended.out) == (0, b"")
    assert ended.said == f"cq-telemetry: {identity} sent: it responded 200\n"
    assert collector.bodies == [b'{"resourceSpans": [ ] }']
    [row] = allowed("sent", "--json").json
    assert row["receipt"]["sha256"] == hashlib.sha256(collector.bodies[0]).hexdigest()
    assert row["receipt"]["url"] == collector.url
    assert allowed("pending", "--json").json == []


def test_several_are_sent_in_the_order_given_each_once(allowed: Here, collector: Collector) -> None:
    one, two, three = (allowed.hold(b"%d" % number) for number in (1, 2, 3))
    assert allowed("send", three, one, three).code == 0
    assert collector.bodies == [b"3", b"1"]
    assert allowed("send", "--all").said == f"cq-telemetry: {two} sent: it responded 200\n"
    ended = allowed("send", "--all")
    assert (ended.code, ended.said) == (0, "cq-telemetry: nothing is pending\n")


def test_all_are_sent_the_oldest_first(allowed: Here, collector: Collector) -> None:
    for number in (1, 2, 3):
        allowed.hold(b"%d" % number)
    assert allowed("send", "--all").code == 0
    assert collector.bodies == [b"1", b"2", b"3"]


def test_what_became_of_each_is_told_as_json_as_well(allowed: Here) -> None:
    identity = allowed.hold()
    ended = allowed("send", identity, "--json")
    assert ended.json == [{"id": identity, "outcome": "sent", "why": "it responded 200"}]
    assert ended.said == f"cq-telemetry: {identity} sent: it responded 200\n"
    assert allowed("send", "--all", "--json").json == []


def test_where_the_collector_says_wait_the_rest_stays_and_that_is_a_failure(
    allowed: Here, collector: Collector
) -> None:
    collector.always = reply(503)
    for _ in range(3):
        allowed.hold()
    ended = allowed("send", "--all")
    assert ended.code == 1
    assert "postponed" in ended.said
    assert ended.said.endswith("cq-telemetry: 2 more stay here\n")
    assert allowed.counts() == (3, 0, 0)
    assert allowed("status", "--json").json["retry_at"] is not None


def test_a_refusal_is_a_failure_and_a_servers_words_are_not_obeyed(
    allowed: Here, collector: Collector
) -> None:
    collector.always = reply(400, b"\x1b]0;title\x07no")
    identity = allowed.hold()
    ended = allowed("send", identity)
    assert ended.code == 1
    assert "␛]0;title␇no" in ended.said
    assert "\x1b" not in ended.said
    assert allowed.counts() == (0, 0, 1)
    assert "\x1b" not in allowed("rejected").out.decode()


def test_a_torn_one_is_set_aside_and_does_not_stop_the_others(
    allowed: Here, collector: Collector
) -> None:
    torn = allowed.hold()
    _, label = allowed.outbox.find(torn)
    path = allowed.outbox.path("pending", label)
    path.write_bytes(path.read_bytes()[:-1])
    allowed.hold(b"whole")
    ended = allowed("send", "--all")
    assert ended.code == 1
    assert f"{torn} set aside: it has 19 bytes of 20; it is incomplete" in ended.said
    assert collector.bodies == [b"whole"]
    assert allowed("status", "--json").json["outbox"]["set_aside"] == 1


def test_an_id_that_is_not_pending_is_not_sent_again(allowed: Here, collector: Collector) -> None:
    identity = allowed.hold()
    allowed("send", identity)
    ended = allowed("send", identity)
    assert ended.code == 1
    assert "No payload has the id" in ended.said
    assert len(collector.requests) == 1


def test_ctrl_c_ends_it_without_a_traceback(allowed: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    allowed.hold()
    monkeypatch.setattr(Sender, "send", interrupted)
    ended = allowed("send", "--all")
    assert ended.code == 130
    assert ended.said == (
        "cq-telemetry: stopped; what was under way may have arrived: see cq-telemetry pending\n"
    )


def test_show_status_and_send_say_the_same_of_what_may_have_been_sent(
    cq: Here, collector: Collector
) -> None:
    cq("endpoint", collector.url)
    cq("on")
    identity = cq.record()
    cq.outbox.reserve(cq.outbox.labels(PENDING)[0], collector.url, 1_800_000_000.0)
    doubt = (
        f"it may have been sent to {collector.url}: the sender ended before there was a response"
    )
    assert doubt in cq("show", identity).out.decode()
    assert doubt in cq("show", identity, "--json").json["stays_because"]
    assert f"1 payload pending: {doubt}" in cq("status").out.decode()
    assert doubt in cq("send", "--all").said
    assert collector.connections == 0
    assert cq("send", identity).code == 0
    assert "it was sent before" in cq("show", identity).out.decode()
