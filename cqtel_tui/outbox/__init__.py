"""The payloads on this machine: pending, sent and rejected."""
