"""The receiving end of the promise: what a collector derives, keeps, forgets and gives back."""

from __future__ import annotations
