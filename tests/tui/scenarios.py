"""What is drawn in the pictures: each scenario is a home, and what is pressed in it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from cqtel_tui import Telemetry
from cqtel_tui.actions.demo import throw_away_home
from cqtel_tui.collector.store import Store
from cqtel_tui.consent.saving import decide_telemetry
from cqtel_tui.formats import sha256
from cqtel_tui.outbox.receipts import Receipt
from cqtel_tui.outbox.store import REJECTED, SENT
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.paths import places

from ..collector.arriving import some
from ..deliver.announcing import Rights
from ..deliver.collectors import reply, running
from .driving import Machine
from .hostile import payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = 1_768_473_000_000_000_000
"""When all pictures are taken, in nanoseconds since 1970: 2026-01-15 10:30 UTC."""
SMALL, USUAL, LARGE = (60, 20), (80, 24), (140, 40)
ALL = (SMALL, USUAL, LARGE)
ENDPOINT = "https://collector.example/v1/traces"
_VIEW = "right_square_bracket"


@dataclass(frozen=True)
class Scenario:
    """What is pressed, and what is drawn then.

    Attributes:
        name: of the files.
        keys: what is pressed first.
        home: what makes the demonstration's home another one.
        sizes: the terminals in which it is compared as text.
        picture: the terminal of the SVG in `screenshots/`, if there is one.
        has_png: whether there is a PNG of it, too.
        theme: the theme's name.
        environ: variables that are set.
        collector: what makes the collector of the endpoint another one; there is none if None.
        operations: how many are in the store whose report is drawn; None draws the program itself.
    """

    name: str
    keys: tuple[str, ...] = ()
    home: Callable[[Machine], None] | None = None
    sizes: tuple[tuple[int, int], ...] = ALL
    picture: tuple[int, int] | None = None
    has_png: bool = False
    theme: str = "textual-dark"
    environ: tuple[tuple[str, str], ...] = ()
    collector: Callable[[Rights], None] | None = None
    operations: int | None = None


@contextlib.contextmanager
def home(scenario: Scenario) -> Iterator[Machine]:
    """Make the home of a scenario, and go there."""
    numbers = count()

    def same(length: int) -> bytes:
        return hashlib.shake_256(str(next(numbers)).encode()).digest(length)

    # The path is in the pictures: its length must not depend on the machine.
    with (
        running() as collector,
        throw_away_home(NOW, entropy=same, within="/tmp") as project,  # noqa: S108
    ):
        os.environ["XDG_CONFIG_DIRS"] = str(project.parent / "policy")
        os.environ.update(scenario.environ)
        machine = Machine(places(), project)
        machine.clock = count(NOW // 1000, 1_000_000).__next__
        if scenario.home is not None:
            scenario.home(machine)
        if scenario.collector is not None:
            machine.choose(endpoint=collector.url)
            scenario.collector(Rights(collector))
        yield machine


def store(scenario: Scenario, machine: Machine) -> Path:
    """Make the store of a collector, unless the scenario is that there is none."""
    path = machine.project.parent / "collector.sqlite3"
    if scenario.operations:
        with contextlib.closing(Store(path)) as made:
            made.keep(some(scenario.operations, installations=scenario.operations // 8)).result()
    return path


def same_everywhere(drawn: str, machine: Machine) -> str:
    """Return what was drawn without what is random in it: a folder's name, a collector's port."""
    name = machine.project.parent.name
    drawn = re.sub(r"127\.0\.0\.1:\d{5}", "127.0.0.1:43180", drawn)
    return drawn.replace(name, name[:-8] + "a1b2c3d4")


def _empty(machine: Machine) -> None:
    machine.outbox.clear(PENDING)


def _off(machine: Machine) -> None:
    _empty(machine)
    machine.choose(**decide_telemetry("off"))


def _with_cookie(machine: Machine) -> None:
    machine.make_cookie()
    written = NOW / 1e9 - 3 * 24 * 3600
    os.utime(machine.cookie, (written, written))


def _on(machine: Machine) -> None:
    """A yes was given a while ago: two payloads were sent, one was rejected."""
    machine.choose(**decide_telemetry("on", now=NOW), endpoint=ENDPOINT)
    _with_cookie(machine)
    answers = [(SENT, 200, "{}"), (SENT, 200, "{}"), (REJECTED, 413, "payload too large")]
    for label, (box, status, answer) in zip(machine.labels()[4:1:-1], answers, strict=True):
        held = machine.outbox.open(PENDING, label).payload
        moment = label.created + 2_000_000
        receipt = Receipt(label.id, sha256(held), len(held), ENDPOINT, status, moment, answer)
        machine.outbox.close(label, box, receipt)


def _torn(machine: Machine) -> None:
    machine.hold(b'{"resourceSpans":[]}' * 3, project="/no/such/project")
    machine.tear(machine.labels()[0])


def _hostile(machine: Machine) -> None:
    machine.hold(payload(), operation="[nope]", app="\x1b[2J", version="[@click=app.quit]")


def _unreadable(machine: Machine) -> None:
    machine.choices.write_text('{"all": {"telemetry": "maybe"}}')


def _blocked(machine: Machine) -> None:
    pending = machine.outbox.folder / PENDING
    pending.rename(pending.with_name("elsewhere"))
    pending.write_text("")


def _locked(machine: Machine) -> None:
    machine.cookie.mkdir()


def _inspected(machine: Machine) -> None:
    del machine
    telemetry = Telemetry("cloudquery", version="6.21.1", inspect_telemetry=True)
    telemetry.clock = telemetry.stopwatch = count(NOW, 250_000_000).__next__
    telemetry.entropy = lambda length: b"\x5a" * length
    with telemetry.operation("sync") as operation, operation.span("sync.aws"):
        pass


def _broken_file(machine: Machine) -> None:
    Path(machine.project, "cq-telemetry.txt").write_text('{"resourceSpans": [{"[/nope]": 1}')


def _as_documented(rights: Rights) -> None:
    del rights


def _daily(rights: Rights) -> None:
    how = "HMAC-SHA-256 of the text of your IP address, with a random key of the day."
    rights.policy |= {
        "ip_hash": "hmac-daily",
        "derived": [{"field": "address_hash", "how": how}, *rights.policy["derived"][1:]],
    }
    del rights.me["cloudquery.ip_sha1"]
    rights.me |= {"address_hash": hashlib.sha256(b"").hexdigest(), "ip_hash": "hmac-daily"}


def _of_another_kind(rights: Rights) -> None:
    rights.instead["GET /v1/policy"] = reply(404)


def _has_nothing(rights: Rights) -> None:
    rights.operations = []


SCENARIOS = (
    Scenario("pending", ("down",), picture=LARGE, has_png=True),
    Scenario("raw", ("down", _VIEW), picture=(100, 30), has_png=True),
    Scenario("verbatim", ("down", _VIEW, "v"), sizes=(USUAL,)),
    Scenario("trace", ("down", "down", _VIEW, _VIEW), picture=(100, 30), has_png=True),
    Scenario("leaks", ("down", *[_VIEW] * 3)),
    Scenario("changes", ("down", *[_VIEW] * 4)),
    Scenario("run", ("end", "up", "up")),
    Scenario("intercepted", ("end", "up", _VIEW), picture=LARGE, has_png=True),
    Scenario("intercepted-explained", ("end", "up"), sizes=(USUAL,)),
    Scenario("intercepted-leaks", ("end", "up", *[_VIEW] * 3), sizes=(USUAL,)),
    Scenario("intercepted-changes", ("end", "up", *[_VIEW] * 4), sizes=(USUAL,)),
    Scenario("fields", ("end", "up", "f", "space")),
    Scenario("ask-fields", ("end", "up", "f", "space", "x"), sizes=(SMALL, USUAL)),
    Scenario("marked", ("space", "down", "space", "o"), sizes=(SMALL, USUAL)),
    Scenario("filter", ("slash", "o", "p", ":", "s", "y"), sizes=(SMALL, USUAL)),
    Scenario("on", (), _on, sizes=(USUAL,)),
    Scenario("sent", ("2",), _on),
    Scenario("verified", ("2", "V"), _on, sizes=(USUAL,)),
    Scenario("rejected", ("3",), _on),
    Scenario("choices", ("4",), picture=(100, 30), has_png=True),
    Scenario("choices-on", ("4",), _on, sizes=(USUAL,)),
    Scenario("choices-here", ("4", "up", "right", "enter"), _on, sizes=(USUAL,)),
    Scenario("choices-overridden", ("4",), _on, sizes=(USUAL,),
             environ=(("CQ_NO_TELEMETRY", "1"),)),
    Scenario("choices-unreadable", ("4",), _unreadable, sizes=(SMALL, USUAL)),
    Scenario("cookie", ("5",), _on, picture=(100, 30), has_png=True),
    Scenario("cookie-locked", ("5",), _locked, sizes=(USUAL,)),
    Scenario("stored", ("6",), picture=(100, 30), has_png=True),
    Scenario("stored-unasked", ("6",), collector=_as_documented),
    Scenario("stored-asked", ("6", "a"), collector=_as_documented),
    Scenario("stored-daily", ("6", "a"), sizes=(USUAL,), collector=_daily),
    Scenario("stored-strange", ("6", "a"), sizes=(SMALL, USUAL), collector=_of_another_kind),
    Scenario("mine", ("5", "m", "y"), _with_cookie, collector=_as_documented),
    Scenario("mine-empty", ("5", "m", "y"), _with_cookie, sizes=(USUAL,),
             collector=_has_nothing),
    Scenario("ask-mine", ("5", "m"), _on, sizes=(SMALL, USUAL)),
    Scenario("ask-erase", ("5", "e"), _on, sizes=(SMALL, USUAL)),
    Scenario("ask-forget", ("5", "r"), _on, sizes=(SMALL, USUAL)),
    Scenario("ask-delete-there", ("t", "f"), _on, sizes=(SMALL, USUAL)),
    Scenario("files", ("7",)),
    Scenario("files-inspected", ("7",), _inspected, sizes=(USUAL,)),
    Scenario("files-broken", ("7",), _broken_file, sizes=(USUAL,)),
    Scenario("ask-telemetry", ("t",)),
    Scenario("ask-held", ("t", "o")),
    Scenario("ask-delete", ("t", "f"), sizes=(SMALL, USUAL)),
    Scenario("ask-debug", ("d",), sizes=(SMALL, USUAL)),
    Scenario("ask-send", ("s",), _on, sizes=(SMALL, USUAL)),
    Scenario("ask-drop", ("space", "space", "x"), sizes=(SMALL, USUAL)),
    Scenario("ask-lock", ("5", "l"), sizes=(SMALL, USUAL)),
    Scenario("help", ("question_mark",)),
    Scenario("toast", ("s",), sizes=(SMALL, USUAL)),
    Scenario("empty", (), _empty),
    Scenario("empty-sent", ("2",), _empty, sizes=(USUAL,)),
    Scenario("empty-rejected", ("3",), _empty, sizes=(USUAL,)),
    Scenario("off", (), _off, sizes=(USUAL,)),
    Scenario("torn", (), _torn, sizes=(SMALL, USUAL)),
    Scenario("torn-raw", (_VIEW,), _torn, sizes=(USUAL,)),
    Scenario("blocked", (), _blocked, sizes=(USUAL,)),
    Scenario("hostile", (), _hostile, sizes=(USUAL, LARGE)),
    Scenario("hostile-leaks", (_VIEW, _VIEW, _VIEW), _hostile, sizes=(USUAL,)),
    Scenario("too-small", (), sizes=((40, 12),)),
    Scenario("report", (), operations=800, picture=(100, 30), has_png=True),
    Scenario("report-operations", ("2",), operations=800),
    Scenario("report-spans", ("3",), operations=800, sizes=(SMALL, LARGE)),
    Scenario("report-versions", ("4",), operations=800, sizes=(SMALL, USUAL)),
    Scenario("report-providers", ("5",), operations=800, sizes=(SMALL, USUAL)),
    Scenario("report-ci", ("6",), operations=800, sizes=(USUAL,)),
    Scenario("report-countries", ("7",), operations=800, sizes=(USUAL,)),
    Scenario("report-year", ("p", "p"), operations=800, sizes=(USUAL,)),
    Scenario("report-of-few", (), operations=16, sizes=(USUAL,)),
    Scenario("report-missing", (), operations=0, sizes=(SMALL, USUAL)),
    Scenario("report-help", ("question_mark",), operations=16, sizes=(SMALL, USUAL)),
    Scenario("report-too-small", (), operations=16, sizes=((40, 12),)),
    Scenario("light", ("down",), sizes=(), picture=USUAL, theme="textual-light"),
    Scenario("ansi", ("down",), sizes=(), picture=USUAL, theme="ansi-dark"),
    Scenario("no-color", ("down",), sizes=(), picture=USUAL, environ=(("NO_COLOR", "1"),)),
)  # fmt: skip
