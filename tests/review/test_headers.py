from __future__ import annotations

from cqtel_tui.review.headers import masked, masked_headers


def test_a_credential_is_shown_by_its_scheme_and_length_alone() -> None:
    assert masked("Authorization", "Basic a2V5Og==") == "Basic •••••••• (8 characters)"
    assert masked("x-api-key", "s3cr3t") == "•••••••• (6 characters)"
    assert masked("Authorization", "s3cr3t with a space").startswith("••••••••")
    assert masked("Authorization", "Basic •••••••• (8 characters)") == (
        "Basic •••••••• (8 characters)"
    ), "what is masked already keeps its length"
    assert masked_headers({"Content-Type": "application/json", "Cookie": "a=b"}) == {
        "Content-Type": "application/json",
        "Cookie": "•••••••• (3 characters)",
    }
