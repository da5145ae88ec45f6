"""A program that adopts cqtel, as the README has it, from its contract to the erasure."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..test_walks import walk
from .test_terminal import at_terminal

if TYPE_CHECKING:
    from .installing import Installed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a pty is a Unix thing")

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
PATIENCE = 60.0  # seconds, for a machine under load


def block(name: str) -> str:
    """Return the lines of code between two marks of the README."""
    text = README.partition(f"<!-- {name}:begin -->\n")[2].partition(f"<!-- {name}:end -->")[0]
    lines = text.strip().splitlines()
    return "\n".join(line for line in lines if not line.startswith("```")) + "\n"


def test_a_maintainer_adopts_it_and_sees_the_whole_way(machine: Installed) -> None:
    check, receive, record, report, erase = walk(README, "maintainer")
    program, contract = block("adopted"), block("contract")
    assert len([line for line in program.splitlines() if line]) <= 10
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    (machine.project / "shop.py").write_text(program, "utf-8")
    (machine.project / "telemetry.toml").write_text(
        contract.replace("https://telemetry.shop.example", f"http://{address}"), "utf-8"
    )
    assert "1 field of its own" in machine.sh(check).lines
    receive = receive.removesuffix(" &").replace("collector", f"collector --listen {address}")
    there = f"cd {machine.project} && "
    with at_terminal(machine, ["/bin/sh", "-c", f"{there} exec {receive}"]) as collector:
        collector.until(lambda: b'"listening"' in collector.written, "the collector")
        with at_terminal(machine, ["/bin/sh", "-c", there + record], CI="") as it:
            it.shows("shop recorded this run.", "s always, and send it")
            it.shows(f"go to {address} (as its")
            it.type(b"s")
            assert it.end() == 0
        end = time.monotonic() + PATIENCE
        while "shop.theme" not in (told := machine.sh(report).out.decode()):
            assert time.monotonic() < end, told
            time.sleep(0.2)
        assert "dark" in told
        assert "2 operations" in told
        assert "erased" in machine.sh(erase).said
        assert "shop" not in machine.sh(report).out.decode()
