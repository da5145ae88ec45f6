"""What tests of several rooms need: an environment that says nothing, and a real receiver."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .disks import Disk
    from .e2e.rotel_receiver import Receiver

# How long one example takes says more of the machine than of the program.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

# Whatever started the suite may have had signals ignored (`nohup`, a shell's background job), and
# every process that is started here would inherit that.
for _name, _usual in (
    ("SIGHUP", signal.SIG_DFL),
    ("SIGQUIT", signal.SIG_DFL),
    ("SIGINT", signal.default_int_handler),
):
    _number = getattr(signal, _name, None)
    if _number is not None and signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

_SPEAKING = ("CQ_", "OTEL_", "ROTEL_", "SSL_CERT_", "XDG_")
_ALSO_SPEAKING = {"ALL_PROXY", "DO_NOT_TRACK", "HTTPS_PROXY", "HTTP_PROXY", "NETRC", "NO_PROXY"}


@pytest.fixture
def scrubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the environment say nothing of telemetry, proxies and certificates; return a new home."""
    from cqtel_tui.consent.decision import CI_VARIABLES

    for name in list(os.environ):
        if (
            name.upper().startswith(_SPEAKING)
            or name.upper() in _ALSO_SPEAKING
            or name in CI_VARIABLES
        ):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    # What cannot be written at home is written there, and never into this machine's own.
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("USERPROFILE", str(home))
    return home


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Mount a small disk of its own."""
    from .disks import mounted

    with mounted(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
def rotel(tmp_path: Path) -> Iterator[Receiver]:
    """Run a real OTLP receiver on loopback, of which can be asked what it understood."""
    from .e2e.rotel_receiver import HAS_WHEEL, NO_WHEEL, rotel_receiver

    if not HAS_WHEEL:
        pytest.skip(NO_WHEEL)
    with rotel_receiver(tmp_path) as receiver:
        yield receiver
