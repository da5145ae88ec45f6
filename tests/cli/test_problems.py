"""`status` tells what is wrong, for as long as it is."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from cqtel_tui import Telemetry
from cqtel_tui.files import make_folder
from cqtel_tui.outbox.dispatch import CALLED, STALE_SECONDS
from cqtel_tui.outbox.losses import LOSSES, UNSENT, count_loss
from cqtel_tui.outbox.store import REJECTED, SENT

from ..deliver.collectors import reply

if TYPE_CHECKING:
    import pytest

    from ..deliver.collectors import Collector
    from ..disks import Disk
    from .conftest import Here


def problems(cq: Here) -> list[tuple[str, str]]:
    """Return what is wrong by `status --json`, having seen that `status` says the same."""
    found: list[dict[str, Any]] = cq("status", "--json").json["problems"]
    words = cq("status").out.decode()
    for each in found:
        assert f"problem    {each['text']}" in words
    return [(each["kind"], each["text"]) for each in found]


def test_nothing_is_wrong_with_a_new_home(cq: Here) -> None:
    assert problems(cq) == []
    cq.record()
    assert problems(cq) == []


def test_what_was_lost_is_told_with_its_number_and_reason(cq: Here) -> None:
    cq.record()
    for _ in range(2):
        count_loss(cq.outbox.state, "error", "Disk quota exceeded")
    count_loss(cq.outbox.state, "gate")
    count_loss(cq.outbox.state, "full")
    assert sorted(problems(cq)) == [
        ("loss", "1 payload deleted unsent, because the outbox was full."),
        ("loss", "1 request of another program could not be stored."),
        ("loss", "2 operations could not be recorded: Disk quota exceeded."),
    ]
    assert cq("status", "--json").json["outbox"]["dropped"] == 4


def test_what_was_lost_long_ago_is_counted_and_told_no_more(cq: Here) -> None:
    cq.record()
    (cq.outbox.folder / LOSSES).write_text(f"{int(time.time()) - 31 * 86400} error no room\n")
    assert problems(cq) == []
    assert cq("status", "--json").json["outbox"]["dropped"] == 1


def test_a_delivery_that_could_not_begin_is_told_until_one_did(cq: Here) -> None:
    cq.record()
    count_loss(cq.outbox.state, UNSENT, "No space left on device")
    assert problems(cq) == [("sender", "nothing was sent: No space left on device.")]
    assert cq("status", "--json").json["outbox"]["dropped"] == 0
    (cq.outbox.folder / SENT).mkdir()
    later = time.time() + 5
    os.utime(cq.outbox.folder / SENT, (later, later))
    assert problems(cq) == []


def test_a_sender_that_never_got_to_work_is_told(cq: Here) -> None:
    cq("on")
    cq.record()
    called = cq.outbox.folder / CALLED
    called.touch()
    assert problems(cq) == []
    then = time.time() - STALE_SECONDS - 5
    os.utime(called, (then, then))
    ((kind, text),) = problems(cq)
    assert kind == "sender"
    assert "did not run" in text


def test_an_address_where_nothing_takes_payloads_is_told_with_the_way_out(
    cq: Here, collector: Collector
) -> None:
    cq("endpoint", collector.url)
    cq("on", "--include-held")
    collector.always = reply(404)
    cq.hold()
    cq("send", "--all")
    assert cq.outbox.labels(REJECTED)
    ((kind, text),) = problems(cq)
    assert kind == "rejected"
    assert collector.url in text
    assert "404" in text
    assert "cq-telemetry endpoint URL" in text
    collector.always = reply(200)
    cq("retry", "--all")
    assert problems(cq) == []


def test_a_state_folder_that_is_none_is_told(cq: Here) -> None:
    state = cq.outbox.folder.parent
    make_folder(str(state.parent))
    state.write_text("")
    ((kind, text),) = problems(cq)
    assert kind == "disk"
    assert str(state) in text


def test_on_a_full_disk_the_loss_and_the_disk_are_told(
    cq: Here, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CQ_TELEMETRY_HOME", str(disk.folder / "home"))
    disk.fill()
    telemetry = Telemetry("cloudquery")
    with telemetry.operation("sync"):
        pass
    assert telemetry.lost == 1
    assert {kind for kind, _ in problems(cq)} == {"disk", "loss"}
    assert cq("status", "--json").json["outbox"]["dropped"] == 1
    disk.make_room()
    assert problems(cq) == [("loss", "1 operation could not be recorded: No space left on device.")]


def test_a_disk_that_may_only_be_read_is_told(
    cq: Here, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CQ_TELEMETRY_HOME", str(disk.folder / "home"))
    disk.mount_read_only()
    ((kind, text),) = problems(cq)
    assert kind == "disk"
    assert "read-only" in text


def test_an_endpoint_without_a_path_is_shown_as_what_comes_of_it(cq: Here) -> None:
    told = cq("endpoint", "https://collector.example").said
    assert "payloads of cloudquery go to https://collector.example/v1/traces" in told
    assert "no path is given in" in told
    assert cq("status", "--json").json["endpoint"] == "https://collector.example/v1/traces"
    assert "no path is given" not in cq("endpoint", "https://collector.example/otlp").said


def test_the_address_that_is_proposed_is_the_base_with_the_path_of_traces(
    cq: Here, collector: Collector
) -> None:
    base = collector.url.removesuffix("/v1/traces")
    cq("endpoint", f"{base}/otlp/")
    cq("on", "--include-held")
    collector.always = reply(404)
    cq.hold()
    cq("send", "--all")
    ((_, text),) = problems(cq)
    assert f"cq-telemetry endpoint {base}/otlp/v1/traces," in text
