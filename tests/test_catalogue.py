from __future__ import annotations

import json
import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui import catalogue
from cqtel_tui.catalogue import CATALOGUE_VERSION, MAX_PLUGINS, MAX_STRING_BYTES, RECORDED, allows
from cqtel_tui.review.promises import (
    BY_KEY,
    DEBUG,
    FIELDS,
    NOT_STORED,
    STORED,
    CatalogueField,
    as_json,
    as_markdown,
)

COOKIE = "0b8f1a52-8f3e-4c55-9a4e-6a2f6f0f7d11"

# The documentation, as it was quoted when this was written, and what each sentence allows. This
# list is frozen: a field that is not in it was promised to nobody.
PROMISED = {
    "Which operation (fetch, policy, drift, ...) was executed": {"name"},
    "How long the operation took and whether it succeeded": {
        "endTimeUnixNano",
        "status.code",
        "process.exit.code",
        "error.type",
    },
    "Whether you're running CloudQuery in a CI environment": {"cloudquery.ci"},
    "Installed CloudQuery providers on your system along with their versions": {
        "cloudquery.plugins"
    },
    "Version and build date of the `cloudquery` binary you're using": {
        "service.name",
        "service.version",
        "cloudquery.build_date",
    },
    "Basic OpenTelemetry trace data about which part of the operation took how long": {
        "startTimeUnixNano",
        "kind",
        "traceId",
        "spanId",
        "parentSpanId",
        "scope.name",
    },
    'A unique user "cookie", which is a randomly generated UUID': {"service.instance.id"},
    "A SHA1 hash of your IP address": {"cloudquery.ip_sha1"},
    "Your geographical location based on the IP address": {
        "geo.country.iso_code",
        "geo.region.name",
        "geo.locality.name",
    },
}
ONLY_IN_DEBUG = {"cloudquery.debug", "exception.message"}
BOOLEANS = {"cloudquery.ci", "cloudquery.debug"}
NEVER = {
    "We don't store your IP address",
    (
        "We don't store any of the command arguments or options "
        "(as they might contain sensitive information)"
    ),
    (
        "We don't store the contents of the error messages "
        "(as they might also contain sensitive information)"
    ),
    "We don't store any credentials",
    "We don't store any logs",
}

GOOD: dict[str, list[object]] = {
    "service.name": ["cloudquery", "cq", "cloud-query_2.0", "a" * 40, "9"],
    "service.version": ["6.21.1", "v0.20.0", "v0.20.0-rc.1", "1", "1.2.3+build.5", "9" * 32],
    "cloudquery.build_date": ["2022-01-31", "2022-01-31T23:59:59Z"],
    "service.instance.id": [COOKIE, "ffffffff-ffff-4fff-bfff-ffffffffffff"],
    "cloudquery.ci": [True, False],
    "cloudquery.debug": [True, False],
    "cloudquery.plugins": [
        [],
        ["source/cloudquery/aws@v22.1.0"],
        ["provider/cloudquery/aws@v0.5.0", "destination/a/b@1", "transformer/a/b@1"],
        ["source/cloudquery/aws@v1"] * MAX_PLUGINS,
    ],
    "process.exit.code": [0, 1, 255],
    "error.type": ["ValueError", "_Private", "package.module.Error", "a" * 80],
    "exception.message": ["", "no such file: /etc/shadow", "é\n\0", "x" * MAX_STRING_BYTES],
}

# What a secret, a path or an attack looks like. No shape but that of an error text takes them.
HOSTILE: list[object] = [
    None,
    "",
    " ",
    "/etc/passwd",
    "../../etc/passwd",
    "~/.aws/credentials",
    "C:\\Users\\jo",
    "jo@example.com",
    "https://user:secret@example.com/?token=1",
    "host name",
    "host.example.com:8080",
    "--password=secret",
    "-v",
    ".hidden",
    "a b",
    "a\tb",
    "a\n",
    "\na",
    "a\0",
    "a\x1b[31m",
    "a\x7f",
    "a\N{RIGHT-TO-LEFT OVERRIDE}",
    "a\N{ZERO WIDTH SPACE}",
    "\N{FULLWIDTH LATIN SMALL LETTER A}",
    "\N{CYRILLIC SMALL LETTER A}",
    "é",
    "\N{ARABIC-INDIC DIGIT ONE}",
    "\N{SUPERSCRIPT TWO}",
    "\N{MATHEMATICAL BOLD DIGIT ONE}.2.3",
    "\udcff",
    "a,b",
    "a;b",
    "a=b",
    "'a'",
    '"a"',
    "{}",
    "a" * 10_000,
    "1" * 10_000,
    b"cloudquery",
    -1,
    256,
    1 << 80,
    1.0,
    0.0,
    float("nan"),
    float("inf"),
    [None],
    [[]],
    ["/etc/passwd"],
    [1],
    {},
    {"a": 1},
    {"cloudquery"},
    object(),
    ("source/cloudquery/aws@v1",),
]

BAD: dict[str, list[object]] = {
    "service.name": ["_a", "-a", "a/b", "a@b", "a+b", "a" * 41, True, 1],
    "service.version": ["v", "vv1", "V1", "a", "latest", "1 2", "1_2", "v" + "9" * 32, "9" * 33, 1],
    "cloudquery.build_date": [
        "2022-1-31",
        "20220131",
        "2022-01-31T23:59:59",
        "2022-01-31T23:59:59+00:00",
        "2022-01-31 23:59:59",
        "2022-01-31T23:59:59.123Z",
        "2022-01-31\n",
        "\N{FULLWIDTH DIGIT TWO}022-01-31",
        "yesterday!",
        20220131,
    ],
    "service.instance.id": [
        COOKIE.upper(),
        COOKIE[:-1],
        COOKIE + "0",
        f"{COOKIE}\n",
        f"{{{COOKIE}}}",
        COOKIE.replace("-", ""),
        "c232ab00-9414-11ec-b3c8-9e6bdeced846",
        "0b8f1a52-8f3e-4c55-ca4e-6a2f6f0f7d11",
        "00000000-0000-0000-0000-000000000000",
        "gggggggg-gggg-4ggg-aggg-gggggggggggg",
        uuid.UUID(COOKIE),
    ],
    "cloudquery.ci": [0, 1, "true", "false", [True]],
    "cloudquery.debug": [0, 1, "true", "false", [True]],
    "cloudquery.plugins": [
        "source/cloudquery/aws@v1",
        ["source/cloudquery/aws"],
        ["source/cloudquery/aws@"],
        ["source/cloudquery/aws@latest"],
        ["source/cloudquery/@v1"],
        ["source//aws@v1"],
        ["cloudquery/aws@v1"],
        ["/source/cloudquery/aws@v1"],
        ["source/cloudquery/aws/x@v1"],
        ["script/cloudquery/aws@v1"],
        ["source/cloudquery/aws@v1@v2"],
        ["source/cloudquery/..@v1"],
        ["source/jo doe/aws@v1"],
        ["source/cloudquery/aws@v1\n"],
        ["source/cloudquery/aws@v1", None],
        ["source/cloudquery/aws@v1"] * (MAX_PLUGINS + 1),
    ],
    "process.exit.code": [True, False, "0", "1", 1.5],
    "error.type": ["a" * 81, "Value Error", "ValueError()", "ValueError: no", "<lambda>", True],
    "exception.message": ["x" * (MAX_STRING_BYTES + 1), "é" * MAX_STRING_BYTES, 1, True],
}


def allowed(key: str, value: object) -> bool:
    return allows(key, value, CATALOGUE_VERSION, debug=True)


def test_what_the_documentation_promises_is_quoted_word_for_word() -> None:
    assert set(STORED.values()) == set(PROMISED)
    assert set(NOT_STORED.values()) == NEVER


def test_the_catalogue_has_what_the_documentation_promises_and_nothing_beyond() -> None:
    by_sentence: dict[str, set[str]] = {}
    for field in FIELDS:
        if field.promise != DEBUG:
            by_sentence.setdefault(field.sentence, set()).add(field.key)
    assert by_sentence == PROMISED
    assert {field.key for field in FIELDS if field.promise == DEBUG} == ONLY_IN_DEBUG
    assert "error messages" in BY_KEY["exception.message"].sentence


def test_what_is_recorded_and_what_is_explained_agree_one_to_one() -> None:
    explained = {field.key for field in FIELDS if field.where in {"resource", "span"}}
    assert explained == set(RECORDED)
    assert len(BY_KEY) == len(FIELDS)
    for key, (_, since, only_in_debug) in RECORDED.items():
        assert BY_KEY[key].since == since
        assert (BY_KEY[key].promise == DEBUG) == only_in_debug
    assert {field.where for field in FIELDS} == {"resource", "span", "trace", "collector"}
    assert max(field.since for field in FIELDS) == CATALOGUE_VERSION
    assert min(field.since for field in FIELDS) >= 1


def test_only_the_collector_adds_what_comes_from_the_address() -> None:
    added = {field.key for field in FIELDS if field.where == "collector"}
    assert (
        added
        == PROMISED["A SHA1 hash of your IP address"]
        | (PROMISED["Your geographical location based on the IP address"])
    )
    assert not added & set(RECORDED)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.key)
def test_each_field_is_explained_in_full(field: CatalogueField) -> None:
    assert field.risk in {"none", "low", "medium", "high"}
    assert field.type in {"string", "boolean", "integer", "array of strings"}
    assert field.why.endswith(".")
    assert field.because
    assert not field.because.endswith(".")
    assert field.shape


@pytest.mark.parametrize("key", RECORDED)
class TestAShape:
    def test_takes_what_it_is_for(self, key: str) -> None:
        assert [value for value in GOOD[key] if not allowed(key, value)] == []

    def test_takes_nothing_else(self, key: str) -> None:
        # An error text may look like anything; only its length is bounded.
        hostile = [
            value
            for value in HOSTILE
            if key != "exception.message" or not isinstance(value, str) or len(value) > 1024
        ]
        assert [value for value in hostile + BAD[key] if allowed(key, value)] == []

    def test_takes_nothing_of_another_s(self, key: str) -> None:
        alike = BOOLEANS if key in BOOLEANS else {key}
        others = [v for other, values in GOOD.items() if other not in alike for v in values]
        taken = [value for value in others if allowed(key, value)]
        # A version or a name of letters and digits is also the name of something.
        assert all(isinstance(value, str) for value in taken)
        if key in {"service.instance.id", "cloudquery.plugins", *BOOLEANS}:
            assert taken == []


@given(st.text() | st.text(alphabet=string.printable))
def test_a_name_or_a_version_holds_nothing_that_a_path_or_an_address_needs(value: str) -> None:
    plain = set(string.ascii_letters + string.digits + "._+-")
    for key in ("service.name", "service.version", "error.type"):
        if allowed(key, value):
            assert set(value) <= plain
            assert len(value) <= 80


@given(st.recursive(st.none() | st.text() | st.integers() | st.binary(), st.lists, max_leaves=5))
def test_any_value_gets_an_answer(value: object) -> None:
    for key in RECORDED:
        assert allowed(key, value) in {True, False}


@given(st.uuids(version=4))
def test_every_random_uuid_is_a_cookie(value: uuid.UUID) -> None:
    assert allowed("service.instance.id", str(value))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "host.name",
        "os.type",
        "user.name",
        "process.command_args",
        "client.address",
        "Service.name",
        *sorted(BY_KEY.keys() - RECORDED.keys()),
    ],
)
def test_no_other_attribute_is_taken(key: str) -> None:
    assert not any(allowed(key, value) for values in GOOD.values() for value in values)


class TestAField:
    def test_that_came_later_than_the_yes_is_left_out(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(RECORDED, "cloudquery.new", (catalogue.is_name, 2, False))
        assert not allows("cloudquery.new", "a", 1, debug=True)
        assert not allows("cloudquery.new", "a", 0, debug=True)
        assert allows("cloudquery.new", "a", 2, debug=False)
        assert allows("cloudquery.new", "a", 3, debug=False)

    def test_of_the_first_version_needs_a_yes_for_that(self) -> None:
        assert not allows("service.name", "cloudquery", 0, debug=True)

    def test_for_debug_mode_is_left_out_without_it(self) -> None:
        assert allows("exception.message", "no", 1, debug=True)
        assert not allows("exception.message", "no", 1, debug=False)

    def test_for_every_mode_is_taken_in_both(self) -> None:
        for key in RECORDED.keys() - ONLY_IN_DEBUG:
            assert allows(key, GOOD[key][-1], 1, debug=False)
            assert allows(key, GOOD[key][-1], 1, debug=True)


def test_the_catalogue_can_be_read_by_programs() -> None:
    document = json.loads(as_json())
    assert document["catalogue"] == CATALOGUE_VERSION
    assert document["stored"] == STORED
    assert document["not_stored"] == NOT_STORED
    assert [field["key"] for field in document["fields"]] == list(BY_KEY)
    assert {f["key"] for f in document["fields"] if f["only_in_debug"]} == ONLY_IN_DEBUG
    assert all(field["sentence"] for field in document["fields"])


def test_the_catalogue_can_be_read_by_people() -> None:
    header, rule, *rows = as_markdown().splitlines()
    assert header.count("|") == rule.count("|") == 6
    assert [row.count("|") for row in rows] == [6] * len(FIELDS)
    assert [row.split("`")[1] for row in rows] == list(BY_KEY)
