"""The command that audits a program: a card, JSON, or a page for a security team."""

from __future__ import annotations

from shlex import join
from typing import TYPE_CHECKING

from ..errors import CqtelError, WrongUsageError
from ..files import create
from ..paths import places
from ..proof.audit import OURS, OWN, audit
from ..sanitize import printable
from .output import say, show, show_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from ..proof.audit import Audit, Trial

_HEARD = {True: "heard", False: "NOT HEARD", None: "-"}
_NO_NAME = "not known"


def audit_program(arguments: argparse.Namespace) -> int:
    """Run a program four times, and print what each way of saying no does to what it sends.

    Returns:
        0 if every no was heard, else 1.
    """
    command = arguments.program[1:] if arguments.program[:1] == ["--"] else arguments.program
    if not command:
        raise WrongUsageError("Name the program to run: cq-telemetry audit -- PROGRAM ARGUMENT ...")
    opt_out = {}
    for pair in arguments.opt_out:
        name, separator, value = pair.partition("=")
        if not separator or not name.isidentifier():
            raise WrongUsageError(f"{pair!r} is not NAME=VALUE")
        opt_out[name] = value
    result = audit(
        places(),
        command,
        opt_out,
        has_network=not arguments.offline,
        before_each=lambda name: say(f"running it: {name}"),
    )
    if arguments.report is not None:
        text = "\n".join(_page(result)) + "\n"
        try:
            create(arguments.report, text.encode("utf-8", "replace"), mode=0o644)
        except FileExistsError:
            raise CqtelError(
                f"{arguments.report} is there already, and was left as it is."
            ) from None
        except OSError as error:
            raise CqtelError(
                f"{arguments.report} could not be written: {error.strerror}."
            ) from None
        say(f"written to {arguments.report}")
    if arguments.json:
        show_json(result.as_json())
    else:
        for line in _card(result):
            show(line)
    return 1 if any(result.is_heard(trial) is False for trial in result.trials) else 0


def _card(result: Audit) -> Iterator[str]:
    yield f"audit of    {join(result.command)}"
    yield f"program     {result.program or 'no profile knows it'}"
    yield f"network     {'as it is' if result.has_network else 'none: nothing could leave'}"
    if not result.is_observed:
        yield "seen by     the gate alone: without strace, other connections are not seen"
    yield ""
    yield f"{'':<16} {'opt-out':<10} {'requests':>8} {'blocked':>8} {'outside':>8} {'seconds':>8}"
    for trial in result.trials:
        yield _row(result, trial)
    first = result.trials[0]
    if first.requests:
        yield ""
        yield "What it sends where nothing is said:"
        yield from (f"  {line}" for line in _sent(first))
    for trial in result.trials[1:]:
        if result.is_heard(trial) is False:
            yield ""
            yield f"What it still does with {trial.name}:"
            yield from (f"  {line}" for line in (*_sent(trial), *_tried(result, trial)))


def _row(result: Audit, trial: Trial) -> str:
    if not trial.is_tried:
        return f"{trial.name:<16} not tried: none is known; name it with --opt-out NAME=VALUE"
    blocked = sum(filter(None, (trial.blocked or {}).values()))
    return (
        f"{trial.name:<16} {_HEARD[result.is_heard(trial)]:<10} {len(trial.requests):>8,} "
        f"{blocked:>8,} {len(result.new_outside(trial)):>8,} {trial.seconds:>8.2f}"
    )


def _sent(trial: Trial) -> Iterator[str]:
    counts: dict[str, int] = {}
    for request in trial.requests:
        line = f"{request.url or _NO_NAME}: {', '.join(request.fields) or 'nothing readable'}"
        counts[line] = counts.get(line, 0) + 1
    for line, times in counts.items():
        yield line if times == 1 else f"{line} ({times:,} times)"


def _tried(result: Audit, trial: Trial) -> Iterator[str]:
    for name, attempts in (trial.blocked or {}).items():
        if attempts:
            yield f"a blocked channel, {name}: {attempts:,} attempts"
    for address in result.new_outside(trial):
        yield f"it tried to reach {address}"


def _page(result: Audit) -> Iterator[str]:
    """Return the audit as Markdown; nothing of it acts on whoever renders it."""
    yield f"# Telemetry of `{_code(join(result.command))}`"
    yield ""
    yield "| telemetry refused by | heard | requests | blocked | outside | seconds | exit code |"
    yield "|---|---|---|---|---|---|---|"
    for trial in result.trials:
        blocked = sum(filter(None, (trial.blocked or {}).values()))
        outside = len(result.new_outside(trial))
        took, code = f"{trial.seconds:.2f}", trial.exit_code
        seen = (_HEARD[result.is_heard(trial)], len(trial.requests), blocked, outside, took, code)
        cells = seen if trial.is_tried else ("not tried", "", "", "", "", "")
        yield f"| {trial.name} | {' | '.join(map(str, cells))} |"
    yield ""
    yield "## Who receives what"
    yield ""
    first = result.trials[0]
    if not first.requests:
        yield "Nothing was intercepted where nothing was said."
    for line in _sent(first):
        yield f"- `{_code(line)}`"
    for line in _tried(result, first):
        yield f"- `{_code(line)}`"
    yield ""
    yield "Retention is the receiver's to announce, and nothing that was seen here says it."
    yield ""
    yield "## How it was seen"
    yield ""
    yield (
        "Each row is a run of its own, in an environment in which nobody had refused telemetry but "
        f"as the row says. `{OURS}` is `cq-telemetry run --no-telemetry`. Requests were "
        "intercepted on this machine and not sent."
    )
    yield ""
    yield (
        "Connections were seen by strace."
        if result.is_observed
        else "Connections were not seen: there is no strace."
    )
    if not result.has_network:
        yield "There was no network but loopback."
    yield ""
    yield from _repeat(result)


def _repeat(result: Audit) -> Iterator[str]:
    yield "## To repeat it"
    yield ""
    yield "```bash"
    options = " --offline" * (not result.has_network)
    own = next(trial for trial in result.trials if trial.name == OWN)
    options += "".join(f" --opt-out {name}={value}" for name, value in own.variables.items())
    yield printable(f"cq-telemetry audit{options} -- {join(result.command)}").replace("`", "'")
    yield "```"


def _code(text: str) -> str:
    """Return a text that stays within a Markdown code span and a table cell."""
    return printable(text).replace("`", "'").replace("|", "¦")
