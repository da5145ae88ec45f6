from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqtel_tui.consent.decision import environment_statements

TRUE = ["1", "true", "yes", "on", "True", "TRUE", "YES", "On"]
FALSE = ["0", "false", "no", "off", "False", "NO", "oFF"]
GARBAGE = [
    "2",
    "-1",
    "whatever",
    " ",
    " 1",
    "0 ",
    "y",
    "t",
    "none",
    "tru",
    "\N{DIGIT ZERO}\x00",
    "¹",
]


def says(name: str, value: str) -> list[str]:
    return [one[1] for one in environment_statements({name: value})]


@pytest.mark.parametrize("name", ["CQ_NO_TELEMETRY", "DO_NOT_TRACK"])
class TestAVariableThatRefuses:
    @pytest.mark.parametrize("value", TRUE)
    def test_refuses_when_true(self, name: str, value: str) -> None:
        assert says(name, value) == ["off"]

    @pytest.mark.parametrize("value", FALSE)
    def test_says_nothing_when_false_and_never_on(self, name: str, value: str) -> None:
        assert says(name, value) == []

    @pytest.mark.parametrize("value", GARBAGE)
    def test_refuses_when_it_cannot_be_understood(self, name: str, value: str) -> None:
        assert says(name, value) == ["off"]

    def test_says_nothing_when_empty(self, name: str) -> None:
        assert says(name, "") == []


class TestDebug:
    @pytest.mark.parametrize("value", TRUE)
    def test_is_asked_for_when_true(self, value: str) -> None:
        assert says("CQ_DEBUG_TELEMETRY", value) == ["debug"]

    @pytest.mark.parametrize("value", FALSE)
    def test_is_refused_when_false(self, value: str) -> None:
        assert says("CQ_DEBUG_TELEMETRY", value) == ["no debug"]

    @pytest.mark.parametrize("value", GARBAGE)
    def test_is_refused_when_it_cannot_be_understood(self, value: str) -> None:
        assert says("CQ_DEBUG_TELEMETRY", value) == ["no debug"]

    def test_is_not_spoken_of_when_empty(self) -> None:
        assert says("CQ_DEBUG_TELEMETRY", "") == []


class TestInspecting:
    @pytest.mark.parametrize("value", TRUE + GARBAGE)
    def test_is_asked_for_when_true_or_not_understood_for_it_never_sends(self, value: str) -> None:
        assert says("CQ_INSPECT_TELEMETRY", value) == ["inspect"]

    @pytest.mark.parametrize("value", ["", *FALSE])
    def test_is_not_asked_for_when_false_or_empty(self, value: str) -> None:
        assert says("CQ_INSPECT_TELEMETRY", value) == []


class TestTheLevelOfCloudQuery:
    @pytest.mark.parametrize("value", ["none", "None", "NONE", "whatever", "0", " ", "ALL", "stat"])
    def test_refuses_when_none_or_not_understood(self, value: str) -> None:
        assert says("CQ_TELEMETRY_LEVEL", value) == ["off"]

    def test_refuses_statistics_where_it_is_for_errors_alone(self) -> None:
        assert says("CQ_TELEMETRY_LEVEL", "errors") == ["off"]

    def test_refuses_error_texts_where_it_is_for_statistics_alone(self) -> None:
        assert says("CQ_TELEMETRY_LEVEL", "stats") == ["no debug"]

    @pytest.mark.parametrize("value", ["", "all"])
    def test_says_nothing_otherwise_and_never_on(self, value: str) -> None:
        assert says("CQ_TELEMETRY_LEVEL", value) == []


def test_each_say_names_its_variable_and_value() -> None:
    said = environment_statements(
        {"DO_NOT_TRACK": "1", "CQ_DEBUG_TELEMETRY": "maybe", "PATH": "/bin"}
    )
    assert said == [
        ("environment", "off", "DO_NOT_TRACK=1", ""),
        ("environment", "no debug", "CQ_DEBUG_TELEMETRY=maybe", ""),
    ]


@given(st.dictionaries(st.text(), st.text()))
def test_other_variables_say_nothing(environ: dict[str, str]) -> None:
    for name in (
        "CQ_NO_TELEMETRY",
        "DO_NOT_TRACK",
        "CQ_DEBUG_TELEMETRY",
        "CQ_INSPECT_TELEMETRY",
        "CQ_TELEMETRY_LEVEL",
    ):
        environ.pop(name, None)
    assert environment_statements(environ) == []
