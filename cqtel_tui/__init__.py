"""Review what command-line programs want to phone home: send it, or refuse it.

`Telemetry` is the client that a program records its operations with. It is imported only when it
is asked for (PEP 562), so that importing this package costs next to nothing.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .record.telemetry import Telemetry

__all__ = ["Telemetry", "__version__"]

__version__ = "0.1.0"

_RECORDER = (
    *("folders", "opening", "catalogue", "formats/__init__"),
    *("consent/__init__", "consent/decision", "record/__init__", "record/telemetry"),
)
"""What decides whether anything is recorded, in the order that it is imported in."""


def __getattr__(name: str) -> object:
    """Import `Telemetry` at its first use."""
    if name == "Telemetry":
        preload(*_RECORDER)
        from .record.telemetry import Telemetry

        globals()[name] = Telemetry
        return Telemetry
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def preload(*names: str) -> None:
    """Import modules of this package from where they must be, without a search.

    `import` asks every finder for each module and lists folders, which costs a program that records
    a quarter of what recording does (DESIGN §11). A module is made as the documentation of
    `importlib` makes one from a file, by Python's own loader. A package that was loaded in any
    other way, from an archive or by a loader of somebody's own, is left to `import`.

    Args:
        names: paths within this package, without `.py`; what a module imports comes before it.
    """
    from _frozen_importlib import ModuleSpec, module_from_spec
    from _frozen_importlib_external import SourceFileLoader

    own = sys.modules[__name__].__spec__
    if own is None or type(own.loader) is not SourceFileLoader:
        return
    here = own.loader.path[: -len("__init__.py")]
    for name in names:
        folder, _, last = name.rpartition("/")
        is_package = last == "__init__"
        full_name = f"{__name__}.{folder if is_package else name}".replace("/", ".")
        if full_name in sys.modules:
            continue
        path = f"{here}{name}.py"
        loader = SourceFileLoader(full_name, path)
        spec = ModuleSpec(full_name, loader, origin=path)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [here + folder]
        module = module_from_spec(spec)
        loader.exec_module(module)
        # Only when it is complete, so that another thread never sees a part of it.
        if sys.modules.setdefault(full_name, module) is module:
            above, _, last = full_name.rpartition(".")
            setattr(sys.modules[above], last, module)
