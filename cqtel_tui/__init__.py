"""Review what command-line programs want to phone home: send it, or refuse it.

`Telemetry` is the client that a program records its operations with. It is imported only when it
is asked for (PEP 562), so that importing this package costs next to nothing.
"""

import os
import sys
from marshal import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import CodeType

    from .record.telemetry import Telemetry

__all__ = ["Telemetry", "__version__"]

__version__ = "0.1.0"

_RECORDER = (
    *("folders", "opening", "catalogue", "formats/__init__"),
    *("consent/__init__", "consent/decision", "record/__init__", "record/telemetry"),
)
"""What decides whether anything is recorded, in the order that it is imported in."""
_LONGEST_CODE = 256 * 1024
_HEADER = 16


def __getattr__(name: str) -> object:
    """Import `Telemetry` at its first use."""
    if name == "Telemetry":
        preload(*_RECORDER)
        from .record.telemetry import Telemetry

        globals()[name] = Telemetry
        return Telemetry
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def preload(*names: str) -> None:
    """Import modules of this package in a fraction of what `import` costs.

    `import` asks every finder for each module and takes locks for it, which costs a program that
    records more than recording does (DESIGN §11). This reads what Python has compiled from where it
    must be, and believes it as `import` does: of this version of Python, and of a source of that
    size and time. Where anything is not as usual (another loader, another place for what is
    compiled, nothing compiled yet), it stops: whoever needs a module imports it as ever.

    Args:
        names: paths within this package, without `.py`; what a module imports comes before it.
    """
    try:
        from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader
    except ImportError:
        return
    own = sys.modules[__name__].__spec__
    if own is None or type(own.loader) is not SourceFileLoader:
        return
    here, _, ending = (own.cached or "").rpartition("__pycache__/__init__")
    if not here or own.origin != f"{here}__init__.py":
        return
    for name in names:
        folder, _, last = name.rpartition("/")
        is_package = last == "__init__"
        full_name = f"{__name__}.{folder if is_package else name}".replace("/", ".")
        if full_name in sys.modules:
            continue
        path = f"{here}{name}.py"
        cached = f"{here}{folder}{'/' if folder else ''}__pycache__/{last}{ending}"
        code = _compiled(cached, path, MAGIC_NUMBER)
        if code is None:
            return
        spec = type(own)(full_name, SourceFileLoader(full_name, path), origin=path)
        spec.has_location = True
        spec.cached = cached
        if is_package:
            spec.submodule_search_locations = [here + folder]
        _execute(code, spec)


def _compiled(cached: str, path: str, magic: bytes) -> "CodeType | None":
    """Return the code that was compiled from the source at `path` as it is; None without one."""
    try:
        opened = os.open(cached, os.O_RDONLY)
        try:
            data = os.read(opened, _LONGEST_CODE)
        finally:
            os.close(opened)
        status = os.stat(path)  # noqa: PTH116  # pathlib costs 13 ms
        # What compiled code begins with, of a source that is known by its time (PEP 552).
        about = int(status.st_mtime) | status.st_size << 32
        if data[:_HEADER] != magic + b"\0\0\0\0" + about.to_bytes(8, "little"):
            return None
        code: CodeType = loads(data[_HEADER:])  # noqa: S302  # what `import` reads, too
    except (OSError, ValueError, EOFError, TypeError, OverflowError):
        return None
    return code


def _execute(code: "CodeType", spec: "ModuleSpec") -> None:
    """Make the module that `spec` describes, and add it where `import` would.

    It is added when it is complete, so that another thread never sees a part of it.
    """
    module = type(sys)(spec.name)
    module.__spec__ = spec
    module.__loader__ = spec.loader
    module.__package__ = spec.parent
    module.__file__ = spec.origin
    if spec.submodule_search_locations is not None:
        module.__path__ = spec.submodule_search_locations
    exec(code, module.__dict__)  # noqa: S102  # as `import` does
    if sys.modules.setdefault(spec.name, module) is module:
        above, _, last = spec.name.rpartition(".")
        setattr(sys.modules[above], last, module)
