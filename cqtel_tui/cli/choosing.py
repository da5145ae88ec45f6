"""The commands that show or change what is chosen: status, on, off, debug, endpoint, cookie."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .. import status as standing
from ..consent import OFF, ON, ask
from ..consent import cookie as cookies
from ..consent.layers import why
from ..consent.saving import decide_debug, decide_endpoint, decide_telemetry, save
from ..errors import CqtelError
from ..paths import agreed, places
from ..sanitize import printable
from ..withdrawal import discard

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from typing import Any

    from ..outbox.store import Counts


def status(given: argparse.Namespace) -> int:
    """Print how things stand."""
    found = standing.look(places(), os.path.realpath("."))
    if given.json:
        print(json.dumps(found.as_json(), indent=2))
        return 0
    lines = [
        ("telemetry", f"{standing.WORDS[found.decision.state]} ({found.why})"),
        ("debug", "on: error texts are recorded" if found.decision.debug else "off"),
        ("cookie", _cookie_words(found.cookie)),
        ("payloads", _counts_words(found.counts)),
        ("endpoint", found.decision.endpoint or "none: payloads stay on this machine"),
    ]
    if found.retry_at:
        moment = datetime.fromtimestamp(found.retry_at, UTC).astimezone()
        lines.append(("delivery", f"next attempt at {moment:%H:%M:%S}: {found.retry_why}"))
    for name, words in lines:
        print(f"{name:<10} {printable(words)}")
    print("\nwhy:")
    for reason in found.reasons:
        mark = "*" if reason.won else " "
        source = f"{reason.source}  {reason.note}".strip()
        print(printable(f"{mark} {reason.layer:<13} {reason.says:<9} {source}".rstrip()))
    return 0


def telemetry(given: argparse.Namespace) -> int:
    """Save on, off or undecided, and say what it comes to."""
    choice = {"on": ON, "off": OFF}.get(given.choice)
    change = decide_telemetry(choice, include_held=getattr(given, "include_held", False))
    _save(given, change)
    if getattr(given, "discard", False):
        removed = discard(places(), os.path.realpath("."))
        _say("deleted: " + ", ".join(f"{number} {what}" for what, number in removed.items()))
    decision = ask(places())
    _say(f"telemetry is {standing.WORDS[decision.state]}")
    wanted = {"on": ON, "off": OFF, "undecide": "hold"}[given.choice]
    if decision.state != wanted:
        _say(f"that is because of {why(decision)}")
    elif decision.state == ON and decision.endpoint is None:
        _say("there is no endpoint, so that payloads stay here: cq-telemetry endpoint URL")
    return 0


def debug(given: argparse.Namespace) -> int:
    """Save whether error texts may be recorded."""
    _save(given, decide_debug(given.choice == "on"))
    decision = ask(places())
    _say(f"debug mode is {'on: error texts are recorded' if decision.debug else 'off'}")
    return 0


def endpoint(given: argparse.Namespace) -> int:
    """Save where to deliver to."""
    _save(given, decide_endpoint(None if given.url == "none" else given.url))
    _say(f"payloads go to {given.url}" if given.url != "none" else "payloads stay on this machine")
    return 0


def cookie(given: argparse.Namespace) -> int:
    """Show, reset, lock or unlock the cookie of the current directory."""
    directory = os.path.realpath(".")
    try:
        if given.action == "reset":
            create = ask(places()).state == ON
            old, new = cookies.reset(directory, create=create)
            _say(f"{old or 'no cookie'} → {new or 'none, until telemetry is on'}")
        elif given.action == "lock":
            _list("locked", cookies.lock(directory))
        elif given.action == "unlock":
            _list("unlocked", cookies.unlock(directory))
    except cookies.CookieError as error:
        raise CqtelError(str(error)) from error
    found = [cookies.look(directory), *cookies.legacy(directory)]
    if given.json:
        print(json.dumps([standing.cookie_json(each) for each in found], indent=2))
    else:
        for each in found:
            print(printable(f"{each.path}: {_cookie_words(each)}"))
    return 0


def environment(given: argparse.Namespace) -> int:
    """Print what to evaluate in a shell so that its `cloudquery` runs through here."""
    powershell = "function cloudquery { cq-telemetry run -- cloudquery @args }"
    print(
        {
            "fish": "alias cloudquery 'cq-telemetry run -- cloudquery'",
            "powershell": powershell,
        }.get(given.shell, "alias cloudquery='cq-telemetry run -- cloudquery'")
    )
    if ask(places()).state == OFF:
        setting = {"fish": "set -gx {} {}", "powershell": '$env:{} = "{}"'}.get(
            given.shell, "export {}={}"
        )
        print(setting.format("CQ_NO_TELEMETRY", "1"))
        print(setting.format("DO_NOT_TRACK", "1"))
    return 0


def _save(given: argparse.Namespace, change: Mapping[str, Any]) -> None:
    save(
        agreed().config,
        change,
        project=os.path.realpath(".") if given.project else None,
        replace_unreadable=given.replace_unreadable,
    )


def _counts_words(counts: Counts) -> str:
    return (
        f"{counts.pending} held, {counts.sent} sent, {counts.rejected} rejected, "
        f"{counts.set_aside} set aside, {counts.dropped} lost"
    )


def _cookie_words(found: cookies.Cookie) -> str:
    if found.state == cookies.PRESENT:
        return f"present: {found.value}"
    if found.state == cookies.LOCKED:
        return "locked: no identifier is sent"
    if found.state == cookies.UNSAFE:
        return f"unsafe: {found.reason}; no identifier is sent"
    return "absent"


def _list(what: str, names: list[str]) -> None:
    _say(f"{what}: " + (", ".join(names) if names else "nothing, it was so already"))


def _say(text: str) -> None:
    sys.stderr.write(f"cq-telemetry: {printable(text)}\n")
