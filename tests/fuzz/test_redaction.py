"""Nothing that was planted leaves, whatever it sits in; and all that became of it is explained."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.formats.documents import as_document
from cqtel_tui.gate.channels import CLOUDQUERY
from cqtel_tui.gate.names import Names
from cqtel_tui.gate.profile_files import SHIPPED, read_profile
from cqtel_tui.gate.protocols import understand
from cqtel_tui.gate.protocols.unknown import KIND as UNKNOWN
from cqtel_tui.gate.pseudonyms import Pseudonyms
from cqtel_tui.gate.redaction import Rules
from cqtel_tui.gate.requests import Request
from cqtel_tui.review.intercepted import ADDED, DROPPED_BY_USER, KEPT, compare

from .conftest import examples
from .documents import CANARY, REQUESTS, encoded

if TYPE_CHECKING:
    from cqtel_tui.gate.channels import Channels
    from cqtel_tui.gate.protocols import Understood

OPENTELEMETRY = read_profile(SHIPPED).channels
CHANNELS = {"cloudquery": CLOUDQUERY, "other": OPENTELEMETRY}
CANARIES = (
    CANARY.encode(),
    base64.b64encode(CANARY.encode()).rstrip(b"="),
    CANARY.encode().hex().encode(),
)


def rules(channels: Channels, *, debug: bool = False) -> Rules:
    return Rules(
        channels.fields,
        Pseudonyms(b"key"),
        debug=debug,
        never=channels.never,
        names=Names(
            channels.words,
            arguments=["--name", CANARY, base64.b64encode(CANARY.encode()).decode()],
            of_here=[CANARY.encode().hex()],
        ),
        published=frozenset({f"cloudquery/{CANARY}"}),
        arguments=("--name", CANARY),
    )


def understood(
    path: str, body: bytes, encoding: str, own: Rules, content_type: str = "application/json"
) -> Understood:
    headers = (("content-type", content_type), ("content-encoding", encoding))
    return understand(Request("POST", path, headers, body, 0), own)


@pytest.mark.parametrize("path", REQUESTS)
def test_no_canary_leaves_and_each_fate_has_its_reason(path: str) -> None:
    @examples(60)
    @given(
        REQUESTS[path],
        st.sampled_from(["", "gzip", "deflate"]),
        st.sampled_from(sorted(CHANNELS)),
    )
    def check(document: Any, encoding: str, program: str) -> None:
        own = rules(CHANNELS[program])
        found = understood(path, encoded(document, encoding), encoding, own)
        if found.kind == UNKNOWN:
            assert "batch" in document  # a list within a list is no batch
            return
        sent = found.redaction.sent
        assert not any(one in sent.lower() for one in (CANARIES[0], CANARIES[2]))
        assert CANARIES[1] not in sent
        # What is redacted twice is redacted once: nothing depends on chance.
        again = understood(path, sent, "", own)
        assert again.redaction.sent == sent
        compared = compare(
            as_document(found.kind, encoded(document, "")),
            as_document(found.kind, sent),
            found.redaction.removals,
            more=found.redaction.more,
            by_user=True,
        )
        for row in compared.rows:
            assert row.fate != ADDED, row
            assert row.why != DROPPED_BY_USER, row
            assert row.fate == KEPT or row.why, row

    check()


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
def test_no_canary_leaves_in_protobuf(path: str) -> None:
    from google.protobuf.json_format import ParseDict, ParseError

    from cqtel_tui.formats.otlp_protobuf import message_of, to_base64, with_ids

    count = [0]

    @examples(60)
    @given(REQUESTS[path], st.sampled_from(sorted(CHANNELS)))
    def check(document: Any, program: str) -> None:
        message = message_of(path.removeprefix("/v1/"))
        try:
            ParseDict(with_ids(document, to_base64), message, ignore_unknown_fields=True)
        except (ParseError, ValueError, TypeError, AttributeError, OverflowError):
            return  # nothing that protobuf could say
        count[0] += 1
        own = rules(CHANNELS[program])
        found = understood(path, message.SerializeToString(), "", own, "application/x-protobuf")
        assert found.kind.endswith("protobuf")
        assert not any(one in found.redaction.sent.lower() for one in (CANARIES[0], CANARIES[2]))
        compared = compare(
            as_document(found.kind, message.SerializeToString()),
            as_document(found.kind, found.redaction.sent),
            found.redaction.removals,
            more=found.redaction.more,
        )
        for row in compared.rows:
            assert row.fate != ADDED, row
            assert row.why != DROPPED_BY_USER, row

    check()
    assert count[0]


@examples(300)
@given(
    st.binary(max_size=200),
    st.sampled_from([*REQUESTS, "/v9/x"]),
    st.sampled_from(["application/json", "application/x-protobuf", ""]),
    st.sampled_from(["", "gzip", "deflate", "br", "gzip, gzip"]),
)
def test_bytes_of_any_kind_are_understood_or_held_as_they_came(
    body: bytes, path: str, content_type: str, encoding: str
) -> None:
    found = understood(path, body, encoding, rules(CLOUDQUERY), content_type)
    if found.kind == UNKNOWN:
        assert found.redaction.sent == body
    else:
        json.dumps(as_document(found.kind, found.redaction.sent))
