"""Look through a whole request for what must not be in it: its body, and each of its headers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..sanitize import printable
from .explain import OTLP
from .headers import OF_HTTP, credentials, masked
from .leaks import Finding, LeakReport, scan
from .needles import ARGUMENT, ARGUMENTS_ARE_NOT_KEPT
from .shapes import ASSIGNMENT, BASIC, BEARER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .needles import Surroundings

HEADER = "header"
"""The group of a finding in a header; its key is the header's name."""

_LOOKED_FOR = "all of these in its headers, basic credentials decoded"
_ARGUMENTS_WERE_LOOKED_FOR = "the command's arguments, when it was intercepted"
_ADVICE = "Drop this payload, or take the header out of what your profile forwards."
_ADVICE_ARGUMENT = "It is a value from the command line. Drop this payload, or the field (trim)."


def scan_request(
    payload: bytes,
    headers: Mapping[str, str],
    surroundings: Surroundings,
    kind: str = OTLP,
    arguments: Iterable[str] | None = None,
) -> LeakReport:
    """Look for leaks in a request.

    Args:
        payload: its body.
        headers: the envelope's; those of HTTP itself say nothing of the user.
        surroundings: what is around this program.
        kind: the payload's.
        arguments: the paths at which arguments of the command were found when it was intercepted;
            None where they were not looked for.
    """
    report = scan(payload, surroundings, kind)
    findings = [*_in_headers(headers, surroundings), *report.findings]
    looked_for, not_looked_for = [*report.looked_for, _LOOKED_FOR], report.not_looked_for
    if arguments is not None:
        findings += map(_argument, arguments)
        looked_for.append(_ARGUMENTS_WERE_LOOKED_FOR)
        not_looked_for = tuple(one for one in not_looked_for if one != ARGUMENTS_ARE_NOT_KEPT)
    return replace(
        report,
        findings=tuple(findings),
        looked_for=tuple(looked_for),
        not_looked_for=not_looked_for,
    )


def _in_headers(headers: Mapping[str, str], surroundings: Surroundings) -> Iterator[Finding]:
    for name, value in headers.items():
        if name.lower() in OF_HTTP:
            continue
        reported: set[str] = set()
        for text in (value, credentials(value)):
            report = scan(text.encode("utf-8", "replace"), surroundings, "")
            for finding in report.findings:
                if finding.what in reported or _is_own_credential(name, finding):
                    continue
                reported.add(finding.what)
                yield replace(
                    finding,
                    group=HEADER,
                    key=name,
                    path=f"{HEADER} {name}",
                    excerpt=printable(f"{name}: {masked(name, value)}", limit=300),
                    advice=_ADVICE,
                )


def _is_own_credential(name: str, finding: Finding) -> bool:
    """Tell whether a finding is just the credential that an Authorization header is for."""
    return name.lower() == "authorization" and (
        finding.what in {BASIC, BEARER} or finding.kind == ASSIGNMENT
    )


def _argument(path: str) -> Finding:
    what = "an argument of the command"
    return Finding(ARGUMENT, what, "", 0, 0, 1, "", path, path, "", _ADVICE_ARGUMENT)
