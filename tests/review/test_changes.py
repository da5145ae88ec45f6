from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cqtel_tui.catalogue import CATALOGUE_VERSION
from cqtel_tui.review.changes import changes, new_fields
from cqtel_tui.review.promises import FIELDS
from cqtel_tui.sanitize import is_printable

from .payloads import RESOURCE, document, encoded, span


def payload(*spans: dict[str, object]) -> bytes:
    return encoded(document(RESOURCE, *spans))


def test_debug_mode_adds_nothing_to_what_did_not_fail() -> None:
    compared = changes(payload(span("fetch"), span("fetch.aws", 2, 1)))
    assert compared.added_by_debug == ()
    assert compared.debug == "Debug mode would add nothing: nothing failed."


def test_debug_mode_would_add_the_text_of_each_error_that_is_not_known_any_more() -> None:
    compared = changes(
        payload(
            span("fetch", 1, failed=True, error_type="ValueError", process_exit_code=1),
            span("fetch.aws", 2, 1, failed=True, error_type="TimeoutError"),
            span("fetch.gcp", 3, 1),
            span("fetch.k8s", 4, 1, failed=True),
        )
    )
    assert [(addition.part, addition.value) for addition in compared.added_by_debug] == [
        ("fetch", "the text of its ValueError, which was not recorded and is no longer known"),
        (
            "fetch.aws",
            "the text of its TimeoutError, which was not recorded and is no longer known",
        ),
        ("fetch.k8s", "the text of its error, which was not recorded and is no longer known"),
    ]
    assert {addition.field.key for addition in compared.added_by_debug} == {"exception.message"}
    assert compared.debug.startswith("Debug mode would add 3 error texts")


def test_an_exit_code_alone_has_no_text() -> None:
    compared = changes(payload(span("fetch", 1, failed=True, process_exit_code=3)))
    assert compared.added_by_debug == ()
    assert "exit code alone" in compared.debug


def test_what_was_recorded_in_debug_mode_says_so() -> None:
    failed = span("fetch", 1, failed=True, error_type="E", exception_message="no")
    compared = changes(payload(failed))
    assert compared.added_by_debug == ()
    assert compared.debug == "It was recorded in debug mode: it has 1 error text in it."


def test_what_was_left_out_is_said() -> None:
    assert changes(payload(span("fetch"))).left_out == "Nothing was left out when it was recorded."
    compared = changes(payload(span("fetch")), dropped=3)
    assert compared.dropped == 3
    assert compared.left_out.startswith("3 values or parts were left out")


def test_new_fields_are_those_of_a_later_catalogue() -> None:
    assert new_fields(CATALOGUE_VERSION) == ()
    assert changes(b"{}").newer == ()
    assert new_fields(0) == FIELDS
    assert changes(b"{}", agreed=0).newer == FIELDS
    later = [*FIELDS, replace(FIELDS[0], key="service.flavour", since=CATALOGUE_VERSION + 1)]
    assert [field.key for field in new_fields(CATALOGUE_VERSION, later)] == ["service.flavour"]


@pytest.mark.parametrize("data", [b"", b"[" * 900, b"\xff", b'{"a":NaN}', b" " * 2_000_000])
def test_of_what_cannot_be_read_nothing_is_said(data: bytes) -> None:
    compared = changes(data)
    assert compared.unreadable
    assert compared.added_by_debug == ()
    assert "cannot be read" in compared.debug


@settings(deadline=None, database=None)
@given(
    st.binary() | st.text().map(lambda text: payload(span(text, 1, failed=True, error_type=text))),
    st.integers(),
)
def test_any_bytes_are_compared(data: bytes, dropped: int) -> None:
    compared = changes(data, dropped=dropped)
    texts = [compared.unreadable, compared.debug, compared.left_out]
    texts += [text for a in compared.added_by_debug for text in (a.part, a.value)]
    assert all(map(is_printable, texts))
