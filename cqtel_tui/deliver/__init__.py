"""Send what may be sent, and keep the receipts."""

__all__ = ["connection", "forecast", "permission", "proxies", "sender", "waiting"]
