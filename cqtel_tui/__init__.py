"""Review what command-line programs want to phone home: send it, or refuse it.

`Telemetry` is the client that a program records its operations with. It is imported only when it
is asked for (PEP 562), so that importing this package costs next to nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .record.telemetry import Telemetry

__all__ = ["Telemetry", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import `Telemetry` at its first use."""
    if name == "Telemetry":
        from .record.telemetry import Telemetry

        return Telemetry
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
