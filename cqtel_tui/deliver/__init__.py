"""Send what may be sent, and keep the receipts."""

__all__ = ["connection", "exchanging", "forecast", "permission", "proxies", "sender", "waiting"]
