"""Record operations: the client that runs inside somebody else's command."""

__all__ = ["inspection", "payload", "plugins", "telemetry"]
