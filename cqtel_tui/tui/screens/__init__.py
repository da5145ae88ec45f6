"""The screens: each decides what the messages of its widgets mean."""

from __future__ import annotations
