"""The widgets: each shows one thing, and tells of what was done to it by a message."""

from __future__ import annotations
