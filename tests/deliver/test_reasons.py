"""What became of a payload is said in plain words, with the collector's own behind them."""

from __future__ import annotations

import socket

import pytest

from cqtel_tui.deliver.reasons import answer_words, error_words
from cqtel_tui.outbox.receipts import Receipt


def answered(status: int, answer: str = "", rejected_spans: int = 0) -> str:
    return answer_words(Receipt("1" * 16, "", 1, "https://c", status, 1, answer, rejected_spans))


@pytest.mark.parametrize(
    ("receipt", "words"),
    [
        ((200,), "it responded 200"),
        ((200, "why", 3), "it responded 200, and refused 3 spans: why"),
        ((307, "Location: x"), "it responded 307, and redirects are not followed (Location: x)"),
        ((401,), "it responded 401 (it asks for credentials, and none are sent)"),
        ((413, "no"), "it responded 413: no (the payload is too large for it)"),
        ((418, "teapot"), "it responded 418: teapot"),
        ((200, "all is well"), "it responded 200"),
    ],
)
def test_an_answer_says_what_it_means(receipt: tuple[int, str, int], words: str) -> None:
    assert answered(*receipt) == words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("[Errno 111] Connection refused", "nothing listens there"),
        ("[Errno -2] Name or service not known", "its name is not known"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] x", "its certificate is not trusted here"),
        ("[Errno 101] Network is unreachable", "it cannot be reached; is the network down?"),
    ],
)
def test_no_answer_says_what_it_means_and_what_the_system_said(error: str, words: str) -> None:
    assert error_words(error) == f"{error} ({words})"
    assert error_words("not in 15 s") == "not in 15 s"


def test_the_systems_own_words_are_known() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    with pytest.raises(OSError) as raised:  # noqa: PT011  # which one is what is looked at
        socket.create_connection(address)
    assert error_words(raised.value).endswith("(nothing listens there)")
