from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.formats.fields import ATTRIBUTES, ERROR_TEXT, ID, SPAN_ID, STATUS, TRACE_ID
from cqtel_tui.formats.values import as_json
from cqtel_tui.gate.channels import CLOUDQUERY
from cqtel_tui.gate.field_shapes import ALL_SHAPES, Schema, status_code
from cqtel_tui.gate.names import Names
from cqtel_tui.gate.pseudonyms import Pseudonyms
from cqtel_tui.gate.redaction import (
    MAX_ITEMS,
    MAX_REMOVALS,
    OTHER_EVENT,
    Redaction,
    Rules,
    keep,
)

UUID = "e027be13-57ef-4595-9bce-9cb1843bcb81"
MESSAGE: Schema = {
    "id": ID,
    "event": "name",
    "at": "time",
    "lasted": "number",
    "many": ("plugin",),
    "inner": {"count": "count", "yes": "boolean", "error": ERROR_TEXT},
    "attributes": ATTRIBUTES,
}
FIELDS: dict[str, Schema] = {
    "service.name": "name",
    "http.response.status_code": "count",
    "exception.message": ERROR_TEXT,
    "plugins": ("name",),
    "ratio": "number",
}


def rules(*, debug: bool = False, key: bytes = b"key") -> Rules:
    return Rules(
        FIELDS,
        Pseudonyms(key),
        debug=debug,
        never={"user": "it says who you are"},
        published=frozenset({"cloudquery/aws", "cloudquery/my-sql2"}),
    )


def redact_json(document: Any, schema: Schema, own: Rules) -> Redaction:
    """Return what may leave of a document, as the protocols in JSON have it."""
    kept = keep(document, schema, own)
    return kept.written(as_json(kept.value))


def redacted(
    document: Any, schema: Schema = MESSAGE, *, debug: bool = False, key: bytes = b"key"
) -> tuple[Any, Redaction]:
    found = redact_json(document, schema, rules(debug=debug, key=key))
    return json.loads(found.sent), found


# What stays, and what goes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "fit", "unfit"),
    [
        ("boolean", [True, False], [0, 1, "true", None, {}]),
        ("class name", ["Error", "_a.B"], ["a b", "", 1]),
        ("count", [0, 5, "7", (1 << 53) - 1], [-1, 1.5, True, "-1", "+1", "٣", 1 << 53, "9" * 30]),
        ("enum", [0, 63], [64, -1, True, "1", 1.0]),
        ("name", ["init_started", "a.b-c"], ["a b", "a/b", "me@example.com", "x" * 41, "", 1, "é"]),
        ("nanoseconds", ["1700000000000000000", 0], ["-1", 1 << 64, 1.5, "now"]),
        ("number", [0, 1.5, -0.5, 3e9], ["x", True, 1e300]),
        (
            "plugin",
            ["cloudquery/aws", "cloudquery/my-sql2"],
            [
                "aws",
                "acme/secret",
                "/home/me/x",
                "cloudquery/../x",
                "cloudquery/unheard-of",
                "cloudquery/AWS",
                "./plugin",
            ],
        ),
        (
            "time",
            ["2026-11-22T08:30:03Z", "2026-11-22T08:30:03.568622768Z"],
            ["2026-11-22T08:30:03+02:00", "2026-11-22", "now", 5, "2026-11-22T08:30:03Z\n"],
        ),
        ("version", ["4.2.1", "v0.1.0-rc.1"], ["latest", "4.2.1 (me)", "", 4.2]),
    ],
)
def test_a_value_stays_only_if_it_has_the_shape_of_its_field(
    shape: str, fit: list[Any], unfit: list[Any]
) -> None:
    assert [redacted({"a": v}, {"a": shape})[0] for v in fit] == [{"a": v} for v in fit]
    for value in unfit:
        sent, found = redacted({"a": value}, {"a": shape})
        assert sent == {}, value
        assert found.removals[0].path == "a"


def test_every_shape_is_known() -> None:
    assert {ID, ERROR_TEXT, "plugin"} <= ALL_SHAPES


def test_what_is_not_listed_goes_with_all_that_is_in_it_and_the_reason_is_told() -> None:
    sent, found = redacted({"event": "sync", "user": {"a": "b"}, "more": [1, 2], "x": None})
    assert sent == {"event": "sync"}
    assert [(one.path, one.what, one.why) for one in found.removals] == [
        ("user", "an object of 1", "it says who you are"),
        ("more", "a list of 2", "not on the list of what may leave"),
        ("x", "nothing (null)", "not on the list of what may leave"),
    ]


def test_a_removal_tells_nothing_of_the_value() -> None:
    _, found = redacted({"secret": "hunter2", "event": "hunter 2"})
    assert "hunter" not in repr(found)


def test_items_are_looked_at_one_by_one() -> None:
    sent, found = redacted({"many": ["cloudquery/aws", "/home/me/plugin", 5]})
    assert sent == {"many": ["cloudquery/aws"]}
    assert [one.path for one in found.removals] == ["many[1]", "many[2]"]


@pytest.mark.parametrize("wrong", [[], "text", 5, None, {"count": {}}, {"yes": []}])
def test_what_has_another_structure_goes(wrong: Any) -> None:
    assert redacted({"inner": wrong, "event": "e"})[0]["event"] == "e"
    assert redacted(wrong)[0] == {}


def test_an_error_text_stays_in_debug_mode_only() -> None:
    document = {"inner": {"error": "dial tcp: lookup db.internal"}}
    sent, found = redacted(document)
    assert sent == {"inner": {}}
    assert found.removals[0].why == "error texts leave in debug mode only"
    assert redacted(document, debug=True) == (
        document,
        Redaction(b'{"inner":{"error":"dial tcp: lookup db.internal"}}', has_error_text=True),
    )


def test_a_long_error_text_is_cut_between_characters() -> None:
    sent, found = redacted({"inner": {"error": "é" * 2000}}, debug=True)
    assert sent == {"inner": {"error": "é" * 512}}
    assert found.removals[0].why.startswith("cut")


def test_removals_are_bounded_and_the_rest_is_counted() -> None:
    _, found = redacted({f"x{number}": 1 for number in range(MAX_REMOVALS + 7)})
    assert (len(found.removals), found.more) == (MAX_REMOVALS, 7)


# Ids ----------------------------------------------------------------------------------------------


def test_the_same_id_is_the_same_in_one_run_and_another_in_the_next() -> None:
    first = redacted([{"id": UUID}, {"id": UUID}], ({"id": ID},))[0]
    assert first[0] == first[1] != {"id": UUID}
    assert redacted({"id": UUID}, {"id": ID})[0] == first[0]
    assert redacted({"id": UUID}, {"id": ID}, key=b"other")[0] != first[0]


@pytest.mark.parametrize("value", ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"])
def test_an_id_of_a_trace_keeps_its_form(value: str) -> None:
    found = redacted({"id": value}, {"id": ID})[0]["id"]
    assert found != value
    assert len(bytes.fromhex(found)) * 2 == len(value)
    assert redacted({"id": value.upper()}, {"id": ID})[0]["id"] == found


@pytest.mark.parametrize("value", [UUID, "me@example.com", "7", "héllo"])
def test_any_other_id_becomes_a_random_uuid(value: str) -> None:
    from cqtel_tui.catalogue import is_cookie

    assert is_cookie(redacted({"id": value}, {"id": ID})[0]["id"])


@pytest.mark.parametrize("value", [None, False, [], {}])
def test_what_is_no_id_goes(value: Any) -> None:
    assert redacted({"id": value}, {"id": ID})[0] == {}


@pytest.mark.parametrize("value", [5, 0, 1.5, True, "0", "x" * 100_000, {"a": 1}, [1], "\ud800"])
def test_an_odd_id_becomes_one_that_every_server_takes(value: Any) -> None:
    from cqtel_tui.catalogue import is_cookie

    assert is_cookie(redacted({"id": value}, {"id": ID})[0]["id"])


def test_a_number_and_its_text_are_the_same_id() -> None:
    assert redacted({"id": 12345}, {"id": ID})[0] == redacted({"id": "12345"}, {"id": ID})[0]


@pytest.mark.parametrize("value", ["", "0" * 16, "0" * 32, "00000000-0000-0000-0000-000000000000"])
@pytest.mark.parametrize("form", [ID, TRACE_ID, SPAN_ID])
def test_an_id_of_nothing_but_zeros_stays_none(value: str, form: str) -> None:
    assert redacted({"id": value}, {"id": form}) == (
        {"id": value},
        Redaction(json.dumps({"id": value}, separators=(",", ":")).encode()),
    )


@pytest.mark.parametrize(("form", "digits"), [(TRACE_ID, 32), (SPAN_ID, 16)])
@pytest.mark.parametrize("value", ["W47/95gDgQPSaabYM4Ff8g==", 77, "abc", UUID, True, ["x"]])
def test_an_id_of_a_span_is_hex_of_its_length_whatever_it_was(
    form: str, digits: int, value: Any
) -> None:
    sent = redacted({"id": value}, {"id": form})[0]["id"]
    assert len(sent) == digits
    assert len(bytes.fromhex(sent)) == digits // 2
    assert redacted({"id": 0}, {"id": form})[0] == {}


# Names, events and statuses -----------------------------------------------------------------------


def named(names: Names, value: str, shape: str = "name") -> Any:
    found = redact_json({"a": value}, {"a": shape}, Rules({}, Pseudonyms(b"key"), names=names))
    return json.loads(found.sent).get("a")


@pytest.mark.parametrize(
    "name",
    [
        *("alices-laptop", "db7.prod.internal", "db.acme.com", "db7.acme.co.uk", "build.local"),
        *(
            "DESKTOP-4F7K2QX",
            "ip-10-0-12-7",
            "ip-10-0-12-7.ec2.internal",
            "Alices-MacBook-Pro.local",
        ),
        *("10.0.12.7", "node-10-0-12-7", "00-1b-44-11-3a-b7", "AKIAIOSFODNN7EXAMPLE"),
        *("ghp_0123456789abcdefghij0123456789abcdef", "0af7651916cd43dd8448eb211c80319c"),
        *("e027be13-57ef-4595-9bce-9cb1843bcb81", "sync.0af7651916cd43dd"),
    ],
)
def test_a_name_in_the_shape_of_a_host_an_address_a_key_or_an_id_goes(name: str) -> None:
    assert named(Names(), name) is None
    assert named(Names(), name, "event") in {OTHER_EVENT, None}


@pytest.mark.parametrize(
    "name",
    [
        *("checkout", "GET", "http.server.duration", "io.opentelemetry.okhttp-3.0", "db.query"),
        *("order_paid", "exception.type", "analytics-go", "opentelemetry.instrumentation.wsgi"),
        *("process.runtime.jvm.memory", "main.go", "user.id", "sync-2021", "deadbeef", "v1.2.3"),
    ],
)
def test_an_ordinary_name_stays(name: str) -> None:
    assert named(Names(), name) == name


def test_a_known_program_has_names_of_its_own_words_only() -> None:
    names = Names(CLOUDQUERY.words)
    fit = ["init_started", "sync_run_completed", "analytics-go", "error", "syncRunCompleted"]
    assert [named(names, name) for name in fit] == fit
    unfit = ["jane-doe-secret-project", "sync_janedoe", "sync_jane", "synç", "sync.acme.com"]
    assert [named(names, name) for name in unfit] == [None] * len(unfit)
    assert named(names, "Sync Completed", "event") == "Sync Completed"
    assert named(names, "Jane Doe", "event") == OTHER_EVENT


@pytest.mark.parametrize(
    "argument",
    [
        *("--source=jane-doe", "jane-doe", "-sjane-doe", "-s=jane-doe", "a,jane-doe", "JANE_DOE"),
        *("jane%2Ddoe", "--set=name=jane-doe", "/srv/jane-doe.yml", "s3://jane-doe/x"),
    ],
)
def test_a_name_with_a_value_from_the_command_line_goes(argument: str) -> None:
    names = Names(arguments=[argument])
    for name in ("jane-doe", "Jane.Doe", "sync_jane_doe", "jane-doe-eu", "JANE-DOE"):
        assert named(names, name) is None, name
    assert named(names, "janet-doe") == "janet-doe"


def test_operations_and_options_names_are_no_values() -> None:
    names = Names(arguments=["deploy", "--verbose"], allowed=["deploy"])
    assert [named(names, one) for one in ("deploy_started", "verbose")] == [
        "deploy_started",
        "verbose",
    ]


def test_names_of_this_machine_go_but_those_that_many_have_stay() -> None:
    names = Names(of_here=["alice", "root", "Fridas-Kiste"])
    found = [named(names, one) for one in ("alice_sync", "fridas-kiste", "root_cause")]
    assert found == [None, None, "root_cause"]


def test_a_version_may_look_like_an_address_but_has_no_argument() -> None:
    names = Names(arguments=["jane-doe"])
    assert named(names, "1.2.3.4", "version") == "1.2.3.4"
    assert named(names, "1.2.3-jane-doe", "version") is None


def test_a_published_plugin_goes_if_an_option_named_it() -> None:
    def sent(*arguments: str) -> Any:
        own = Rules(
            {},
            Pseudonyms(b"key"),
            published=frozenset({"cloudquery/aws"}),
            arguments=arguments,
        )
        return json.loads(redact_json({"a": "cloudquery/aws"}, {"a": "plugin"}, own).sent)

    assert sent("sync", "aws.yml") == {"a": "cloudquery/aws"}
    for arguments in (
        *(
            ("--source", "aws"),
            ("--source=AWS",),
            ("--source", "cloudquery/aws"),
            ("-s", "gcp,aws"),
        ),
        *(("--source", "a%77s"), ("-saws",)),
    ):
        assert sent(*arguments) == {}, arguments


@pytest.mark.parametrize(
    ("value", "code"),
    [
        *((0, 0), (1, 1), (2, 2), ("0", 0), ("1", 1), ("2", 2), (1.0, 1), (2.0, 2)),
        *(("ERROR", 2), ("STATUS_CODE_ERROR", 2), ("error", 2), ("Status_Code_Error", 2)),
        *(("OK", 1), ("STATUS_CODE_OK", 1), ("ok", 1), ("UNSET", 0), ("STATUS_CODE_UNSET", 0)),
        *((3, 2), (-1, 2), (1.5, 2), (True, 2), (False, 2), ("", 2), ("01", 2), ("success", 2)),
        *(({}, 2), ([], 2), ([1], 2), (1 << 70, 2), ("٢", 2), ("NaN", 2)),
    ],
)
def test_a_status_that_is_none_of_opentelemetrys_is_an_error(value: Any, code: int) -> None:
    assert status_code(value) == code
    assert redacted({"code": value}, {"code": STATUS})[0] == {"code": code}


# Bounds -------------------------------------------------------------------------------------------


def test_of_a_list_no_more_than_the_bound_stays_and_the_rest_is_told() -> None:
    sent, found = redacted([True] * (MAX_ITEMS + 2), ("boolean",))
    assert len(sent) == MAX_ITEMS == 10_000
    assert [one.path for one in found.removals] == ["[10000]", "[10001]"]
    assert {one.why for one in found.removals} == {"more than 10,000 items"}


def test_of_attributes_no_more_than_the_bound_are_read() -> None:
    many = attributes(*[("x", {})] * MAX_ITEMS, ("service.name", {"stringValue": "shop"}))
    assert redacted(many)[0] == {"attributes": []}


def test_of_the_texts_of_one_attribute_no_more_than_the_bound_stay() -> None:
    texts = [{"stringValue": "aws"}] * (MAX_ITEMS + 1)
    sent, found = redacted(attributes(("plugins", {"arrayValue": {"values": texts}})))
    assert len(sent["attributes"][0]["value"]["arrayValue"]["values"]) == MAX_ITEMS
    assert [one.why for one in found.removals] == ["more than 10,000 items"]


# OTLP's attributes --------------------------------------------------------------------------------


def attributes(*pairs: tuple[str, Any]) -> dict[str, Any]:
    return {"attributes": [{"key": key, "value": value} for key, value in pairs]}


def test_an_attribute_stays_if_its_key_is_listed_and_its_value_has_the_shape() -> None:
    kept = attributes(
        ("service.name", {"stringValue": "shop"}),
        ("http.response.status_code", {"intValue": "200"}),
        ("plugins", {"arrayValue": {"values": [{"stringValue": "aws"}]}}),
        ("ratio", {"doubleValue": 0.5}),
    )
    gone = attributes(
        ("host.name", {"stringValue": "laptop-of-alice"}),
        ("service.name", {"stringValue": "again"}),
        ("http.response.status_code", {"kvlistValue": {}}),
        ("exception.message", {"stringValue": "password is hunter2"}),
    )
    both = {"attributes": kept["attributes"] + gone["attributes"]}
    sent, found = redacted(both)
    assert sent == kept
    assert len(found.removals) == 4
    assert redacted({"attributes": gone["attributes"][3:]}, debug=True)[0]["attributes"] != []


def test_a_number_may_come_as_javascript_writes_it() -> None:
    sent, _ = redacted(attributes(("http.response.status_code", {"intValue": 200})))
    assert sent == attributes(("http.response.status_code", {"intValue": "200"}))


@pytest.mark.parametrize(
    "value",
    [
        {"stringValue": "a b"},
        {"stringValue": "a", "intValue": "1"},
        {"bytesValue": "c2VjcmV0"},
        {"arrayValue": {"values": [{"stringValue": "a"}]}},
        {},
        "plain",
        None,
    ],
)
def test_an_attribute_of_another_kind_goes(value: Any) -> None:
    assert redacted(attributes(("service.name", value)))[0] == {"attributes": []}


# Any document at all ------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
KEYS = st.sampled_from([*MESSAGE, *FIELDS, "key", "value", "values", "stringValue"]) | st.text()
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=30,
)
CANARY = "the canary/sings: /home/alice"


@given(DOCUMENTS, st.booleans())
def test_any_document_is_redacted_twice_as_once(document: Any, debug: bool) -> None:
    own = rules(debug=debug)
    once = redact_json(document, MESSAGE, own)
    assert redact_json(json.loads(once.sent), MESSAGE, own).sent == once.sent


def with_canaries(value: Any) -> Any:
    """Put the canary in the place of each text and each key that is not the schema's."""
    if isinstance(value, str):
        return CANARY
    if isinstance(value, list):
        return [with_canaries(one) for one in value]
    if isinstance(value, dict):
        known = {*MESSAGE, "attributes", "count", "yes", "error"}
        return {
            key if key in known else f"{CANARY} {at}": with_canaries(one)
            for at, (key, one) in enumerate(value.items())
        }
    return value


@given(DOCUMENTS)
def test_no_canary_leaves_whatever_it_sits_in(document: Any) -> None:
    sent = redact_json(with_canaries(document), MESSAGE, rules()).sent
    assert b"canary" not in sent
    assert b"alice" not in sent


@given(DOCUMENTS)
def test_all_that_leaves_is_listed(document: Any) -> None:
    sent = json.loads(redact_json(document, MESSAGE, rules()).sent)
    assert set(sent) <= set(MESSAGE)
    assert set(sent.get("inner", {})) <= {"count", "yes"}
    assert {one["key"] for one in sent.get("attributes", [])} <= set(FIELDS)


# CloudQuery's ------------------------------------------------------------------------------------


def test_the_shapes_of_cloudquerys_fields_are_known() -> None:
    for schema in CLOUDQUERY.fields.values():
        shape = schema[0] if isinstance(schema, tuple) else schema
        assert shape in ALL_SHAPES
    assert not CLOUDQUERY.fields.keys() & CLOUDQUERY.never.keys()
