from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cqtel_tui import Telemetry
from cqtel_tui.consent.saving import decide_telemetry, save
from cqtel_tui.gate.surroundings import surroundings_here
from cqtel_tui.outbox.envelope import read_label
from cqtel_tui.outbox.store import Outbox
from cqtel_tui.outbox.writing import PENDING
from cqtel_tui.review.disguises import MAX_BYTES, base64_forms, views
from cqtel_tui.review.leaks import KINDS, MAX_FINDINGS, Finding, LeakReport, found_in, scan
from cqtel_tui.review.needles import Surroundings, looks_secret
from cqtel_tui.sanitize import is_printable

from ..cost import at_most
from .payloads import RESOURCE, document, encoded, span

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

MEBIBYTE = 1 << 20

SECRET_VALUE = "correct-horse/battery+staple=42"  # noqa: S105  # a canary
SURROUNDINGS = Surroundings(
    homes=("/home/alice", "C:\\Users\\alice"),
    users=("alice", "ada"),
    hosts=("wonderland.example.org",),
    addresses=("192.0.2.17", "2001:db8::17"),
    macs=("02:fc:00:aa:bb:cc",),
    machine_ids=("4c5e1e0ad0b14ac19a1d5a1d2c9a0e77",),
    secrets=(
        ("GITHUB_TOKEN", SECRET_VALUE),
        ("DATABASE_URL", "postgres://app:tiger-lily-99@db.internal/prod"),
        (
            "DEPLOY_KEY",
            "-----BEGIN KEY-----\nthe first long line of a key\nshort\n-----END KEY-----",
        ),
    ),
    directory="/srv/projects/looking-glass",
    arguments=("--config", "my-spec.yml", "--account=red-queen", "fetch", "cloudquery"),
)

quick = settings(deadline=None, database=None)

CANARIES = [
    ("secret", SECRET_VALUE),
    ("secret", "tiger-lily-99"),
    ("secret", "the first long line of a key"),
    ("home", "/home/alice"),
    ("home", "/home/alice/.cache/x"),
    ("home", "C:\\Users\\alice\\spec.yml"),
    ("home", "c:/users/Alice/spec.yml"),
    ("directory", "/srv/projects/looking-glass"),
    ("personal path", "/home/bob"),
    ("personal path", "/Users/bob/Library"),
    ("personal path", "D:\\Users\\Bob"),
    ("user", "alice"),
    ("user", "ALICE"),
    ("host", "wonderland.example.org"),
    ("host", "Wonderland"),
    ("argument", "my-spec.yml"),
    ("argument", "--account=red-queen"),
    ("argument", "red-queen"),
    ("argument", "--config"),
    ("address", "192.0.2.17"),
    ("address", "2001:db8::17"),
    ("address", "203.0.113.250"),
    ("address", "10.0.0.1"),
    ("address", "2001:db8:85a3::8a2e:370:7334"),
    ("address", "2001:0db8:85a3:0000:0000:8a2e:0370:7334"),
    ("address", "fe80::1ff:fe23:4567:890a"),
    ("address", "::ffff:203.0.113.5"),
    ("mac", "02:fc:00:aa:bb:cc"),
    ("mac", "02FC00AABBCC"),
    ("mac", "00:1A:2b:3c:4d:5e"),
    ("mac", "00-1A-2B-3C-4D-5E"),
    ("email", "white.rabbit+late@example.co.uk"),
    ("email", "a@b.cc"),
    ("url", "https://user:hunter2@example.org"),
    ("url", "postgres://u:p%40ss@10.0.0.1"),
    ("url", "root:letmein@tcp("),
    ("token", "AKIAIOSFODNN7EXAMPLE"),
    ("token", "ASIAIOSFODNN7EXAMPLE"),
    ("token", "ghp_" + "a1B2" * 9),
    ("token", "github_pat_" + "a1B2_" * 8),
    ("token", "glpat-" + "x1Y2z" * 4),
    ("token", "xoxb-" + "123456789012-abcdefghijkl"),
    ("token", "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"),
    ("token", "AIza" + "SyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY"),
    ("token", "ya29." + "a0AfH6SMBx-abcdefghijkl"),
    (
        "token",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    ),
    ("token", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxMjM0In0."),
    ("token", "-----BEGIN RSA PRIVATE KEY-----"),
    ("token", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n-----END"),
    ("token", "-----BEGIN PRIVATE KEY-----"),
    ("token", "AccountKey=" + "Ab1+" * 21 + "Ab=="),
    ("token", "abc8Q~" + "dEfGhIjKlMnOpQrStUvWxYz0123456789_"),
    ("token", "Bearer mF_9.B5f-4.1JqM0123456789"),
    ("token", "authorization: basic YWxhZGRpbjpvcGVuc2VzYW1l"),
    ("token", "sk-ant-" + "api03-abcdefghijklmnopqrstuv"),
    ("token", "sk-proj-" + "abcdefghijklmnopqrstuvwxyz"),
    ("token", "npm_" + "a1B2c3D4e5" * 3 + "f6G7h8"),
    ("token", "hvs." + "CAESIJ0123456789abcdefgh"),
    ("token", "SG." + "a" * 22 + "." + "b" * 43),
    ("token", "cqsr_" + "0123456789abcdef"),
    ("assignment", "password=hunter22"),
    ("assignment", 'password":"hunter22"'),
    ("assignment", "api_key = 'abcdef0123'"),
    ("assignment", 'client_secret","value":{"stringValue":"abcdef0123"'),
]


def plain(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()[1:-1]


def escaped(text: str) -> bytes:
    return "".join(f"\\u{ord(letter):04x}" for letter in text).encode()


def as_json(text: str) -> bytes:
    return json.dumps(text).encode()[1:-1].replace(b"/", rb"\/")


def percent(text: str) -> bytes:
    return "".join(f"%{byte:02X}" for byte in text.encode()).encode()


def in_a_url(text: str) -> bytes:
    return b"https://example.org/?q=" + quote(text, safe="").encode()


def in_base64(text: str) -> bytes:
    return base64.b64encode(text.encode())


def within_base64(text: str) -> bytes:
    return b"data:text/plain;base64," + base64.b64encode(b"it is " + text.encode() + b" and more")


def in_base64_of_json(text: str) -> bytes:
    return base64.urlsafe_b64encode(json.dumps({"k": text}).encode())


def twice_escaped(text: str) -> bytes:
    return json.dumps(json.dumps(text)).encode()[1:-1]


def in_base64_of_a_url(text: str) -> bytes:
    return base64.b64encode(in_a_url(text))


DISGUISES = [
    plain,
    escaped,
    as_json,
    percent,
    in_a_url,
    in_base64,
    within_base64,
    in_base64_of_json,
    twice_escaped,
    in_base64_of_a_url,
]


def payload(
    text: str | None = None, name: str = "fetch.aws", resource: dict[str, Any] | None = None
) -> bytes:
    """Give a payload as the recorder writes it, with these values chosen."""
    plugins = {
        "cloudquery.plugins": ["source/cloudquery/aws@v1.2.3-rc.beta", "provider/red-queen/x@1"]
    }
    said: dict[str, Any] = {"error_type": "Timeout"} | (
        {} if text is None else {"exception_message": text}
    )
    parts = span("fetch", 1, process_exit_code=1), span(name, 2, 1, failed=True, **said)
    return encoded(document(RESOURCE | plugins | (resource or {}), *parts))


def with_error_text(text: bytes) -> bytes:
    """Put bytes into an error text as they are."""
    return payload("<here>").replace(b"<here>", text)


def kinds(report: LeakReport) -> set[str]:
    return {finding.kind for finding in report.findings}


def only(report: LeakReport) -> Finding:
    [finding] = report.findings
    return finding


# Genuine payloads


@pytest.fixture
def home(scrubbed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CQ_TELEMETRY_HOME", str(scrubbed / "telemetry"))
    project = scrubbed / "project"
    plugins = project / ".cq" / "plugins"
    for plugin in ("source/cloudquery/aws/v33.1.0", "destination/acme/postgresql/8.7.6-rc.1"):
        (plugins / plugin).mkdir(parents=True)
    monkeypatch.chdir(project)
    return scrubbed


def record(home: Path, *, parts: int = 5) -> bytes:
    telemetry = Telemetry("cloudquery", version="6.21.1", build_date="2026-01-02")
    with telemetry.operation("sync") as operation:
        for number in range(parts):
            with operation.span(f"sync.part-{number}") as part:
                part.set("process.exit.code", 0)
        operation.fail(TimeoutError("no answer from 10.0.0.1 for alice@example.org"))
    assert operation.held is not None
    label = read_label(operation.held)
    assert label is not None
    return Outbox(str(home / "telemetry")).open(PENDING, label).payload


def test_a_genuine_payload_has_no_leaks_and_says_what_was_looked_for(home: Path) -> None:
    save(str(home / "telemetry"), decide_telemetry("on"))
    genuine = record(home)
    assert b"service.instance.id" in genuine
    assert b"postgresql" in genuine
    report = scan(genuine, SURROUNDINGS)
    assert report.findings == ()
    said = "; ".join(report.looked_for)
    for words in (
        *("home folder", "project's folder", "user name", "machine's name", "IP address"),
        *("MAC address", "e-mail", "arguments", "GITHUB_TOKEN", "base64"),
    ):
        assert words in said
    assert report.not_looked_for == ()
    assert SECRET_VALUE not in said


def test_many_genuine_payloads_have_no_leaks_on_this_very_machine(home: Path) -> None:
    here = surroundings_here(arguments=["sync", "spec.yml", "--log-level", "debug"])
    for _ in range(30):
        assert scan(record(home, parts=20), here).findings == ()


def test_the_largest_genuine_payload_is_looked_through_whole(home: Path) -> None:
    genuine = record(home, parts=600)
    assert len(genuine) > 100_000
    report = scan(genuine, SURROUNDINGS)
    assert (report.findings, report.not_looked_for) == ((), ())


names = st.text("abcdefgXYZ0189._-", min_size=1, max_size=16).map("n{}".format)
versions = st.from_regex(
    r"v?[0-9]{1,3}(\.[0-9]{1,3}){1,3}(-(rc|alpha|beta)\.[0-9])?", fullmatch=True
)
plugins = st.builds(
    lambda kind, organisation, name, version: f"{kind}/{organisation}/{name}@{version}",
    st.sampled_from(["source", "destination", "transformer", "provider"]),
    names,
    names,
    versions,
)


@settings(quick, max_examples=40)
@given(
    st.lists(names, min_size=1, max_size=5),
    versions,
    st.lists(plugins),
    st.randoms(),
    st.uuids(version=4),
)
def test_no_payload_of_fitting_values_has_a_leak(
    parts: list[str], version: str, installed: list[str], random: Random, cookie: uuid.UUID
) -> None:
    resource: dict[str, Any] = {"service.version": version, "service.instance.id": str(cookie)}
    if installed:
        resource["cloudquery.plugins"] = installed
    start = random.randrange(1 << 60, 1 << 61)
    spans = [
        span(name, random.getrandbits(64), random.getrandbits(64), start=start) for name in parts
    ]
    report = scan(encoded(document(RESOURCE | resource, *spans)), SURROUNDINGS)
    assert [finding for finding in report.findings if finding.kind != "argument"] == []


@pytest.mark.parametrize(
    "users",
    [("cloudquery",), ("root",), ("name",), ("status",), ("al",), ("1234",), ("runner",), ()],
)
def test_a_user_name_that_tells_nothing_is_not_looked_for(users: tuple[str, ...]) -> None:
    report = scan(payload(), Surroundings(users=users))
    assert report.findings == ()
    assert any("user name" in words for words in report.not_looked_for)


def test_names_that_are_only_a_part_of_other_words_are_not_found() -> None:
    hex_names = Surroundings(users=("abc", "fed", "clo", "cloud", "time"), hosts=("quer",))
    assert scan(payload(), hex_names).findings == ()


def test_a_version_may_look_like_an_address_unless_it_is_this_machines() -> None:
    versions = {"service.version": "1.2.3.4", "cloudquery.plugins": ["source/acme/x@10.0.0.1-rc"]}
    assert scan(payload(resource=versions), SURROUNDINGS).findings == ()
    assert kinds(scan(payload(resource={"service.version": "192.0.2.17"}), SURROUNDINGS)) == {
        "address"
    }
    assert kinds(scan(payload("at 1.2.3.4-rc"), SURROUNDINGS)) == {"address"}


@pytest.mark.parametrize(
    "text",
    [
        "release 6.21.1",
        "6.21.1-rc.2",
        "v1.2.3.4",
        "1.2.3.4.5",
        "300.1.1.1",
        "0.0.0.0",  # noqa: S104  # nobody binds it
        "12:30:45",
        "2026-01-02T03:04:05Z",
        "std::string",
        "Foo::Bar",
        "::",
        "00:00:00:00:00:00",
        "ff-ff-ff-ff-ff-ff",
        "password: unexpected end",
        "password=******",
        "invalid token: unexpected end of file",
        "basic trace data",
        "source/acme/x@1.0.0-alpha.dev",
        "destination/a/b@v2.0.0-rc.beta",
        "task-abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnop",
        "global-configuration-of-everything",
        "the mailbox@nowhere",
        "http://[::1]:4318/v1/traces"[7:9],
        str(uuid.UUID(int=1 << 120 | 4 << 76 | 2 << 62)),
    ],
)
def test_look_alikes_are_not_found(text: str) -> None:
    assert scan(with_error_text(text.encode()), Surroundings()).findings == ()


# What must never be there


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize(("kind", "text"), CANARIES)
def test_a_canary_of_each_kind_is_found_in_every_disguise(
    kind: str, text: str, disguise: Callable[[str], bytes]
) -> None:
    report = scan(with_error_text(b"it said " + disguise(text) + b" then"), SURROUNDINGS)
    assert kind in kinds(report)
    assert text not in repr(report)
    assert disguise(text).decode() not in repr(report)
    for finding in report.findings:
        assert finding.kind in KINDS
        assert (finding.group, finding.key) == ("span 2: fetch.aws", "exception.message")
        assert finding.path.endswith(".spans[1].attributes[1]")
        assert "debug mode" in finding.advice


@pytest.mark.parametrize(("kind", "text"), CANARIES)
def test_a_canary_is_found_in_bytes_that_are_no_json(kind: str, text: str) -> None:
    data = b"\xff\xfe{{{ " + text.encode() + b" \n"
    report = scan(data, SURROUNDINGS)
    assert kind in kinds(report)
    first = next(finding for finding in report.findings if finding.kind == kind)
    assert data[first.offset : first.offset + first.length].decode().rstrip() in text
    assert (first.group, first.key, first.line) == ("", "", 1)


around = st.text(" \n\t\"'\\/:,;()[]{}<>é\x1b", max_size=30)


@quick
@given(st.sampled_from(CANARIES), st.sampled_from(DISGUISES), around, around)
@example(("user", "alice"), in_base64, "\n", "\n")
@example(("secret", SECRET_VALUE), plain, "\\u", "\\")
def test_a_canary_is_found_wherever_it_stands(
    canary: tuple[str, str], disguise: Callable[[str], bytes], before: str, after: str
) -> None:
    kind, text = canary
    if kind in {"home", "directory", "personal path"}:
        before = before.replace("\\", " ").replace(":", " ")
    inside = json.dumps(f"{before} ", ensure_ascii=False)[1:-1].encode()
    inside += disguise(text)
    inside += json.dumps(f" {after}")[1:-1].encode()
    report = scan(with_error_text(inside), SURROUNDINGS)
    assert kind in kinds(report)
    for finding in report.findings:
        for shown in (finding.what, finding.excerpt, finding.advice, finding.path, finding.key):
            assert is_printable(shown)
            assert text not in shown


@quick
@given(st.binary(min_size=6, max_size=40), st.binary(max_size=9), st.binary(max_size=9))
def test_base64_of_a_long_text_is_found_whatever_is_before_and_after_it(
    text: bytes, before: bytes, after: bytes
) -> None:
    for encode64 in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode64(before + text + after)
        assert any(form in encoded for form in base64_forms(text))


def test_what_is_found_in_one_field_says_which_and_what_to_do() -> None:
    name = only(scan(payload(name="fetch.red-queen"), SURROUNDINGS))
    assert (name.kind, name.key, name.group) == ("argument", "name", "span 2: fetch.red-queen")
    assert "makers" in name.advice
    plugin = only(
        scan(payload(resource={"cloudquery.plugins": ["source/alice/x@1.0"]}), SURROUNDINGS)
    )
    assert (plugin.kind, plugin.key, plugin.group) == ("user", "cloudquery.plugins", "program")
    assert "plugin" in plugin.advice
    data = payload().replace(b'"kind":1', b'"alice":1', 1)
    stranger = only(scan(data, SURROUNDINGS))
    assert stranger.path == "resourceSpans[0].scopeSpans[0].spans[0].alice"
    assert data[stranger.offset :].startswith(b"alice")
    token = only(scan(payload(SECRET_VALUE), SURROUNDINGS))
    assert token.what == "the value of the environment variable GITHUB_TOKEN"
    assert "replace the secret" in token.advice


def test_an_argument_that_is_also_a_plugin_or_the_operation_is_no_leak() -> None:
    arguments = ("fetch", "red-queen", "provider", "6.21.1", "cloudquery", "aws", "fetch.aws")
    report = scan(payload(), Surroundings(arguments=arguments))
    # "fetch.aws" is what a part is called, and the user gave it: it may have come from there.
    assert [(finding.kind, finding.key) for finding in report.findings] == [("argument", "name")]


def test_the_same_thing_is_told_of_once_and_counted() -> None:
    finding = only(scan(with_error_text(b"alice, alice and %61lice, YWxpY2U="), SURROUNDINGS))
    assert (finding.count, finding.disguise) == (4, "")


def test_the_name_of_a_plugin_is_no_secret_though_a_variable_says_it() -> None:
    said = Surroundings(secrets=(("DB_AUTH_KIND", "postgresql"),))
    resource = {"cloudquery.plugins": ["destination/acme/postgresql@1.0"]}
    assert scan(payload(resource=resource), said).findings == ()
    assert kinds(scan(payload("postgresql"), said)) == {"secret"}


def test_a_secret_is_masked_in_the_excerpt_of_another() -> None:
    data = with_error_text(f"bob@example.org {SECRET_VALUE}|203.0.113.9".encode())
    report = scan(data, SURROUNDINGS)
    assert kinds(report) == {"email", "secret", "address"}
    for finding in report.findings:
        for part in (SECRET_VALUE, SECRET_VALUE[:6], SECRET_VALUE[-6:], "203", "bob"):
            assert part not in finding.excerpt
        assert finding.excerpt.count("▒▒▒▒▒▒") == 1


def test_a_stronger_finding_speaks_for_the_weaker_ones_in_it() -> None:
    for text, kind in (
        ("/home/alice/x", "home"),
        ("alice@wonderland.example.org", "email"),
        ("ftp://alice:hunter2@wonderland", "url"),
        ("/home/alice/../bob", "home"),
    ):
        assert kinds(scan(with_error_text(text.encode()), SURROUNDINGS)) == {kind}


def test_what_was_not_looked_for_is_said() -> None:
    report = scan(payload(), Surroundings(homes=("/",)))
    said = "; ".join(report.not_looked_for)
    for words in ("home folder", "user name", "machine's name", "MAC", "IP", "arguments", "secret"):
        assert words in said
    long = scan(b" " * (MAX_BYTES + 1), Surroundings())
    assert "disguised beyond the first 4,194,304 bytes" in long.not_looked_for[-1]


def test_uuids_of_version_1_tell_the_mac_address() -> None:
    made = uuid.uuid1(node=0x02FC00AABBCC)
    finding = only(scan(with_error_text(str(made).encode()), SURROUNDINGS))
    assert (finding.kind, finding.what) == ("mac", "a MAC address of this machine")


def test_texts_are_found_in_any_disguise_and_case() -> None:
    data = payload("Canary-One " + in_base64("canary-two!").decode())
    assert found_in(data, ["canary-one", "canary-two", "canary-three", ""]) == {
        "canary-one",
        "canary-two",
    }


# Secrets in the environment


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("GITHUB_TOKEN", "abcdefgh", True),
        ("aws_secret_access_key", "wJalrXUtnFEMI/K7MDENG", True),
        ("PGPASSWORD", "longenough", True),
        ("SENTRY_DSN", "https://k@o.ingest/1", True),
        ("ANYTHING", "postgres://u:passw0rd@h/db", True),
        ("OPENAI_API_KEY", "sk-abcdefgh", True),
        ("GITHUB_TOKEN", "short", False),
        ("USE_AUTH", "disabled", False),
        ("SSH_AUTH_SOCK", "/run/ssh-x/agent.1", False),
        ("XAUTHORITY", "/home/alice/.Xauthority", False),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/token", False),
        ("PWD", "/srv/projects", False),
        ("PATH", "/usr/bin:/bin", False),
        ("EDITOR", "vim-is-nice", False),
    ],
)
def test_a_variable_is_secret_by_its_name_and_form(name: str, value: str, is_secret: bool) -> None:
    assert looks_secret(name, value) == is_secret


def test_secrets_are_not_in_the_repr_of_what_is_around() -> None:
    assert "staple" not in repr(SURROUNDINGS)
    assert "red-queen" not in repr(SURROUNDINGS)


# Whatever the bytes are


@quick
@given(st.binary(max_size=300) | st.text().map(str.encode))
def test_any_bytes_are_looked_through(data: bytes) -> None:
    report = scan(data, SURROUNDINGS)
    for finding in report.findings:
        assert 0 <= finding.offset <= finding.offset + finding.length <= len(data)
        assert is_printable(finding.excerpt)


@quick
@given(st.lists(st.sampled_from([b"\\", b"u0041", b"%", b"25", b"41", b"YWxp", b"==", b"n", b"-"])))
def test_every_range_of_a_view_stands_for_a_range_of_the_payload(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    for view in views(data):
        ranges = [(at, at + 1) for at in range(len(view.data))]
        ends = 0
        for start, end in view.origins(ranges):
            assert 0 <= start < end <= len(data)
            assert end >= ends
            ends = end


@quick
@given(st.text(), st.integers(0, 300), st.integers(1, 300))
def test_a_range_of_an_escaped_text_stands_for_what_was_escaped(
    text: str, start: int, length: int
) -> None:
    data = json.dumps(text).encode()
    *_, view = [view for view in views(data) if view.disguise in {"", "JSON-escaped"}][:2]
    [(begin, end)] = view.origins([(start, start + length)])
    if start + length < len(view.data):
        part = view.data[start : start + length]
        assert part in next(iter([*views(data[begin:end])][:2][-1:])).data


@pytest.mark.parametrize("disguise", [plain, as_json, in_base64, percent])
def test_surroundings_with_odd_letters_are_found(disguise: Callable[[str], bytes]) -> None:
    odd = Surroundings(
        homes=("/home/jürgen müller",), secrets=(("A_TOKEN", 'q"u\\o\nté\U0001f600'),)
    )
    data = with_error_text(disguise("/home/jürgen müller"))
    assert "home" in kinds(scan(data, odd))
    assert "secret" in kinds(scan(with_error_text(as_json('q"u\\o\nté\U0001f600')), odd))
    broken = Surroundings(users=("\udcff\ud800\udcffabc",), homes=("\udce9\udce8\udce7",))
    assert "home" in kinds(scan(b"{ \xe9\xe8\xe7 ", broken))


@pytest.mark.parametrize(
    "piece",
    [
        *(b"attribute ", b"\\n", b"%41", b"YWxpYWxp ", b"1.1.1.1", b"@a.", b"eyJaaaaaaaa-"),
        *(b"://a:b@", b"::", b":aa", b"alicealice", b"glpat-", b"@tcp("),
    ],
)
def test_five_megabytes_of_look_alikes_are_looked_through_in_time(piece: bytes) -> None:
    data = piece * (5 * MEBIBYTE // len(piece))
    with at_most(3):  # whatever the bytes are: nothing is quadratic
        report = scan(data + b" AKIAIOSFODNN7EXAMPLE", SURROUNDINGS)
    assert len(report.findings) <= MAX_FINDINGS
    assert "token" in kinds(report)


def test_countless_findings_are_bounded_and_the_rest_is_counted() -> None:
    data = b" ".join(b"user%d@example.org" % number for number in range(500))
    report = scan(data, SURROUNDINGS)
    assert (len(report.findings), report.left_out) == (MAX_FINDINGS, 400)


# Beside one another -------------------------------------------------------------------------------

KEY_ID = "AKIA" + "IOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfi" + "CYEXAMPLEKEY"


@pytest.mark.parametrize(
    "text",
    [
        f"{KEY_ID} {SECRET_KEY}",
        f"{SECRET_KEY},{KEY_ID}",
        json.dumps([{"key": "a", "value": {"stringValue": KEY_ID}}, {"b": SECRET_KEY}]),
        json.dumps({"a": KEY_ID, "b": SECRET_KEY}).replace("/", "\\/"),
    ],
)
def test_a_bare_secret_of_aws_is_found_beside_its_keys_id(text: str) -> None:
    report = scan(text.encode(), Surroundings())
    found = {finding.what for finding in report.findings}
    assert "a secret key of AWS, beside its id" in found
    assert SECRET_KEY not in repr(report)


@pytest.mark.parametrize(
    "text",
    [
        SECRET_KEY,
        f"{KEY_ID} {'a' * 40}",
        f"{KEY_ID} da39a3ee5e6b4b0d3255bfef95601890afd80709",
        f"{KEY_ID} {SECRET_KEY}more",
        f"{KEY_ID} {'.' * 300} {SECRET_KEY}",
    ],
)
def test_forty_letters_alone_may_be_anything(text: str) -> None:
    report = scan(text.encode(), Surroundings())
    assert "a secret key of AWS, beside its id" not in {one.what for one in report.findings}


MACHINE_ID = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    "form", [MACHINE_ID, MACHINE_ID.upper(), "0af76519-16cd-43dd-8448-eb211c80319c"]
)
def test_the_id_of_this_machine_is_found_in_each_form(form: str) -> None:
    here = Surroundings(machine_ids=(f"{MACHINE_ID}\n",))
    report = scan(json.dumps({"x": form}).encode(), here)
    assert {finding.kind for finding in report.findings} == {"machine"}
    assert "the id of this machine" in report.looked_for
    assert not scan(b'{"x":"0af7651916cd43dd8448eb211c803190"}', here).findings


@pytest.mark.parametrize(
    "text",
    [
        *("version 1.2.3.4", "Version: 1.2.3.4", '"app_version":"1.2.3.4"', "v 1.2.3.4"),
        *("release 1.2.3.4", "build=1.2.3.4", "serverVersion 1.2.3.4", "ver. 1.2.3.4, ver 8.8.8.8"),
        '{"key":"tool.version","value":{"stringValue":"1.2.3.4"}}',
    ],
)
def test_a_version_is_no_address(text: str) -> None:
    found = [one for one in scan(text.encode(), Surroundings()).findings if one.kind == "address"]
    assert found == [] or text.startswith("ver.")


@pytest.mark.parametrize(
    "text",
    [
        *("version 1.2.3.4 at 8.8.8.8", "1.2.3.4", "conversion to 8.8.8.8", "version 10.0.0.5"),
        *("server 8.8.8.8 version 1.2.3.4", "version of 8.8.8.8", "driver 8.8.8.8"),
    ],
)
def test_an_address_beside_a_version_is_one(text: str) -> None:
    found = [one for one in scan(text.encode(), Surroundings()).findings if one.kind == "address"]
    assert sum(one.count for one in found) == 1


@pytest.mark.parametrize(
    "token",
    [
        *("gsk_" + "a1" * 26, "xai-" + "aB1" * 26, "r8_" + "a" * 37, "rubygems_" + "0" * 48),
        *("lin_api_" + "a" * 40, "figd_" + "a" * 40, "PMAK-" + "a" * 59, "pul-" + "0" * 40),
        *("dp.pt." + "a" * 43, "sbp_" + "a" * 40, "nfp_" + "a" * 40, "123456789:AA" + "a" * 33),
        *("key-" + "0" * 32, "0" * 32 + "-us12", "hvb." + "a" * 24, "sq0atp-" + "a" * 22),
        *("https://abcdefghijklmnop@git.example/x", "https://abcdefghijklmnop:@git.example/x"),
    ],
)
def test_tokens_of_more_makers_are_found(token: str) -> None:
    report = scan(f'{{"x":"{token}"}}'.encode(), Surroundings())
    assert {"token", "url"} & {finding.kind for finding in report.findings}
    assert token not in repr(report)
