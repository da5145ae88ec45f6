from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cqtel_tui
from cqtel_tui.proof.evidence import (
    ABSENCE,
    CANARIES,
    ENFORCEMENTS,
    FIELD,
    UNTOLD,
    Canary,
    Expected,
    Proof,
    Verdict,
    check,
)
from cqtel_tui.proof.rehearsal import PROGRAM, prove
from cqtel_tui.review.explain import explain
from cqtel_tui.review.needles import Surroundings
from cqtel_tui.review.promises import COLLECTOR, FIELDS, NOT_STORED, STORED
from cqtel_tui.sanitize import is_printable

from ..review.payloads import RESOURCE, attributes, document, encoded, span

if TYPE_CHECKING:
    from collections.abc import Sequence

BIRDS = [Canary(key, f"the {key}", f"canary-{key}-71fe") for key in (*NOT_STORED, UNTOLD)]
FIELDS_EXPECTED = [
    Expected("operation", "name", "fetch"),
    Expected("duration", "endTimeUnixNano"),
    Expected("ci", "cloudquery.ci", "false"),
    Expected("providers", "cloudquery.plugins"),
    Expected("version", "service.version", "6.21.1"),
    Expected("trace", "parentSpanId"),
    Expected("cookie", "service.instance.id"),
]
HERE = Surroundings(users=("alice",), addresses=("192.0.2.17",), macs=("02:fc:00:aa:bb:cc",))


def recorded(*more: dict[str, Any], **resource: Any) -> bytes:
    parts = span("fetch"), span("fetch.aws", 2, 1, failed=True, error_type="E")
    return encoded(document(RESOURCE | resource, *parts, *more))


def broken(verdicts: Sequence[Verdict]) -> dict[str, tuple[str, ...]]:
    return {v.enforcement.promise: v.broken for v in verdicts if not v.kept}


def checked(payload: bytes) -> dict[str, tuple[str, ...]]:
    return broken(check(payload, BIRDS, FIELDS_EXPECTED, HERE))


# The table


def test_every_promise_of_the_documentation_says_how_it_is_enforced() -> None:
    assert [e.promise for e in ENFORCEMENTS] == [*STORED, *NOT_STORED, UNTOLD]
    for enforcement in ENFORCEMENTS:
        assert enforcement.how.endswith(".")
        assert enforcement.is_stored == (enforcement.promise in STORED)
        assert enforcement.sentence
        by_collector = any(
            field.where == COLLECTOR and field.promise == enforcement.promise for field in FIELDS
        )
        expected = ABSENCE if by_collector else FIELD if enforcement.is_stored else CANARIES
        assert enforcement.proof == expected


# Holding bytes against it


def test_a_payload_that_keeps_every_promise_is_found_to() -> None:
    verdicts = check(recorded(), BIRDS, FIELDS_EXPECTED, HERE)
    assert broken(verdicts) == {}
    by_promise = {verdict.enforcement.promise: verdict for verdict in verdicts}
    assert by_promise["operation"].evidence == ("name = fetch",)
    assert by_promise["ci"].evidence == ("cloudquery.ci = false",)
    assert by_promise["arguments"].looked_for == ("the arguments",)
    assert by_promise["ip"].looked_for == ("the field cloudquery.ip_sha1",)


@pytest.mark.parametrize("canary", BIRDS, ids=lambda canary: canary.promise)
def test_a_canary_in_the_bytes_breaks_its_promise(canary: Canary) -> None:
    found = checked(recorded(span(canary.text, 3, 1)))
    assert found == {canary.promise: (f"the {canary.promise} is in it",)}
    disguised = "".join(f"\\u{ord(letter):04X}" for letter in canary.text.upper()).encode()
    payload = recorded(span("hidden", 3, 1)).replace(b"hidden", disguised)
    assert checked(payload).keys() == {canary.promise}


@pytest.mark.parametrize(
    ("resource", "promises"),
    [
        ({"cloudquery.ip_sha1": "a" * 40}, {"ip", UNTOLD}),
        ({"geo.locality.name": "Lisbon"}, {"location", UNTOLD}),
        ({"host.arch": "arm64"}, {UNTOLD}),
        ({"client.address": "192.0.2.17"}, {"address", UNTOLD}),
        ({"client.address": "198.51.100.7"}, {"address", UNTOLD}),
        ({"host.mac": "02:fc:00:aa:bb:cc"}, {"address", UNTOLD}),
        ({"token": "ghp_" + "a1B2" * 9}, {"credentials", UNTOLD}),
        ({"service.name": "alice"}, {UNTOLD}),
        ({"cloudquery.ci": True}, {"ci"}),
        ({"service.version": "6.21.2"}, {"version"}),
        ({"service.instance.id": "0"}, {"cookie", UNTOLD}),
    ],
)
def test_what_may_not_be_there_breaks_the_promise_it_belongs_to(
    resource: dict[str, Any], promises: set[str]
) -> None:
    assert checked(recorded(**resource)).keys() == promises


def test_an_error_text_breaks_its_promise_even_where_the_catalogue_has_it() -> None:
    found = checked(recorded(span("x", 3, 1, failed=True, exception_message="any text")))
    assert found.keys() == {"errors"}
    status = span("x", 3, 1) | {"status": {"code": 2, "message": "any text"}}
    assert checked(recorded(status)).keys() == {"errors", UNTOLD}


@pytest.mark.parametrize("field", FIELDS_EXPECTED, ids=lambda field: field.key)
def test_a_field_that_is_missing_breaks_its_promise(field: Expected) -> None:
    payload = recorded().replace(f'"{field.key}"'.encode(), b'"other"')
    payload = payload.replace(b'"fetch"', b'"else"') if field.key == "name" else payload
    assert field.promise in checked(payload)


def test_what_nothing_was_looked_for_is_not_proved() -> None:
    found = broken(check(recorded(), [], [], Surroundings()))
    assert found.keys() == {*STORED, *NOT_STORED, UNTOLD} - {"ip", "location"}
    assert set(found.values()) == {("nothing was looked for",)}


@settings(deadline=None, database=None)
@given(st.binary() | st.text().map(lambda text: recorded(span(text), **{text: text})))
def test_any_bytes_are_held_against_it(payload: bytes) -> None:
    verdicts = check(payload, BIRDS, FIELDS_EXPECTED, HERE)
    assert len(verdicts) == len(ENFORCEMENTS)
    for verdict in verdicts:
        for text in (*verdict.evidence, *verdict.looked_for, *verdict.broken):
            assert is_printable(text)
            assert len(text) <= 300


def test_a_proof_is_kept_only_if_everything_is() -> None:
    good, bad = (Verdict(ENFORCEMENTS[0], kept, (), (), ()) for kept in (True, False))
    assert Proof((good,)).kept
    assert not Proof((good, bad)).kept
    assert not Proof((good,), problem="nothing could be proved").kept


# Here and now, with the real client


def test_the_real_client_keeps_every_promise(
    tmp_path: Path, scrubbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CQ_NO_TELEMETRY", "1")
    monkeypatch.setenv("CI", "true")
    place = tmp_path / "place"
    place.mkdir()
    proof = prove(place)
    assert proof.problem == ""
    assert broken(proof.verdicts) == {}
    assert proof.kept
    assert explain(proof.payload).unknown == 0
    assert proof.dropped > 5
    assert all(v.looked_for or v.evidence for v in proof.verdicts)
    assert list(place.iterdir()) == list(scrubbed.iterdir()) == []


CARELESS = [
    ('operation.span("fetch.aws")', "operation.span(sys.argv[2])", "arguments"),
    ('operation.span("fetch.aws")', 'operation.span(sys.argv[3].partition("=")[2])', "arguments"),
    ('operation.span("fetch.aws")', 'operation.span("-".join(["f", sys.argv[5]]))', "arguments"),
    ('operation.span("fetch.aws")', 'operation.span(notes["inner error"])', "errors"),
    ('operation.span("fetch.aws")', 'operation.span(notes["log"])', "logs"),
    ('operation.span("fetch.aws")', 'operation.span(notes["output"].upper())', "logs"),
    ('operation.span("fetch.aws")', 'operation.span(os.environ["GITHUB_TOKEN"])', "credentials"),
    ('operation.span("fetch.aws")', 'operation.span(os.environ["LOGNAME"])', UNTOLD),
    ('operation.span("fetch.aws")', "operation.span(os.path.basename(os.getcwd()))", UNTOLD),
    (
        'operation.span("fetch.aws")',
        'operation.span(os.environ["SSH_CONNECTION"].split()[0])',
        "address",
    ),
    ('Telemetry("cloudquery"', 'Telemetry(os.environ["PGPASSWORD"]', "credentials"),
    ('build_date=notes["build date"]', "debug_telemetry=True", "errors"),
    ('operation("fetch")', 'operation("sync")', "operation"),
]


@pytest.mark.parametrize(("right", "wrong", "promise"), CARELESS)
def test_a_program_that_leaks_is_seen(tmp_path: Path, right: str, wrong: str, promise: str) -> None:
    assert right in PROGRAM
    proof = prove(tmp_path, program=PROGRAM.replace(right, wrong))
    assert proof.problem == ""
    assert promise in broken(proof.verdicts)
    assert not proof.kept


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("raise SystemExit(3)", "ended with 3"),
        ("import sys; sys.exit('it says so\x1b[2J')", "it says so␛[2J"),
        (PROGRAM.replace('print(notes["output"])', ""), "did not write its output"),
        (PROGRAM.partition("telemetry =")[0], "nothing was recorded"),
    ],
)
def test_where_nothing_is_recorded_nothing_is_proved(
    tmp_path: Path, program: str, problem: str
) -> None:
    proof = prove(tmp_path, program=program)
    assert problem in proof.problem
    assert is_printable(proof.problem)
    assert (proof.verdicts, proof.payload, proof.kept) == ((), b"", False)
    assert list(tmp_path.iterdir()) == []


def test_where_there_is_no_place_nothing_is_proved(tmp_path: Path) -> None:
    proof = prove(tmp_path / "missing")
    assert proof.problem.startswith("Nothing could be proved")


def test_it_can_be_proved_where_no_terminal_toolkit_and_no_network_is(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in {'_socket', 'socket', 'ssl', 'textual', 'rich', 'httpx'}:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from cqtel_tui.proof.rehearsal import prove\n"
        "proof = prove(sys.argv[1])\n"
        "sys.exit(0 if proof.kept else proof.problem or 'broken')\n"
    )
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(tmp_path),
        "PYTHONPATH": str(Path(cqtel_tui.__file__).parents[1]),
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, str(tmp_path)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_attributes_of_the_payloads_made_here_are_explained() -> None:
    assert explain(recorded()).unknown == 0
    assert attributes({}) == []
