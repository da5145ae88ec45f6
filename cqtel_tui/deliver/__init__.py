"""Send what may be sent, and keep the receipts."""

__all__ = ["connection", "permission", "proxies", "sender", "waiting"]
