"""Send what may be sent, and keep the receipts."""

from __future__ import annotations
