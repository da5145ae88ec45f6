"""Whether anything may be recorded or sent, and by whose choice: any opt-out wins."""

__all__ = [
    "choices",
    "cookie",
    "cookie_file",
    "decision",
    "endpoint",
    "foreign",
    "layers",
    "saving",
    "tracking",
    "trusted",
]
