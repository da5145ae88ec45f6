"""What both faces do: each action is a plan, and then a result, in words."""

from __future__ import annotations

__all__ = [
    "choosing",
    "consents",
    "demo",
    "destinations",
    "dropping",
    "erasing",
    "forgetting",
    "identity",
    "including",
    "noting",
    "policies",
    "problems",
    "programs",
    "question",
    "results",
    "sending",
    "showing",
    "status",
    "terms",
    "trimming",
    "withdrawal",
]
