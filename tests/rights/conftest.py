"""What the tests of asking a collector share with those of delivering to one."""

from __future__ import annotations

from ..deliver.conftest import certified, collector, machine, ready

__all__ = ["certified", "collector", "machine", "ready"]
