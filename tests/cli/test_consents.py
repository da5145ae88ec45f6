"""`consent`, which tells what was chosen and what left under it; `forget`, which removes it all."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.consent import history
from cqtel_tui.paths import places

if TYPE_CHECKING:
    from .conftest import Here

SENT_AT = "https://collector.example/v1/traces"


def told(cq: Here, *options: str) -> list[str]:
    """Return what is told of each choice, without its time."""
    return [line[21:] for line in cq("consent", *options).lines]


# consent -----------------------------------------------------------------------------------------


def test_each_choice_is_told_with_the_face_that_it_was_made_by(cq: Here) -> None:
    assert "no choice was made here yet" in cq("consent").said
    cq("on")
    cq("debug", "on", "--all-programs")
    cq("endpoint", "http://127.0.0.1:9/v1/traces")
    cq("off", "--project")
    cq("undecide")
    assert told(cq) == [
        "telemetry of cloudquery: undecided, by the command line",
        f"telemetry of cloudquery: off, in {cq.project}, by the command line",
        "endpoint of cloudquery: http://127.0.0.1:9/v1/traces, by the command line",
        "debug mode of all programs: on, by the command line",
        "telemetry of cloudquery: on, by the command line",
    ]
    assert told(cq, "--program", "shop") == ["debug mode of all programs: on, by the command line"]


def test_what_was_sent_under_a_yes_is_counted_until_the_next_choice(cq: Here) -> None:
    before, during, after = (cq.record() for _ in range(3))
    cq.answer(before, time=time.time_ns() // 1000)
    cq("on", "--program", "cloudquery")
    cq.answer(during, time=time.time_ns() // 1000)
    cq("off")
    cq.answer(after, time=time.time_ns() // 1000 + 1_000_000)
    no, yes = cq("consent", "--json").json
    assert [(no["value"], no["sent"]), yes["value"]] == [("off", []), "on"]
    assert [each["id"] for each in yes["sent"]] == [during]
    assert f"sent since: 1 payload to {SENT_AT}" in "\n".join(cq("consent").lines)


def test_the_words_that_were_shown_are_kept_under_their_hash(cq: Here) -> None:
    chosen = history.Chosen(1, "shop", None, "telemetry", "on", "terminal UI")
    history.note(places().state, chosen, "Send what shop reports, from now on?\nto nowhere")
    [consent] = cq("consent", "--json").json
    assert consent["notice"] == "Send what shop reports, from now on?\nto nowhere"
    notice = Path(places().state, history.NOTICES, consent["notice_sha256"])
    notice.write_text("Something else?")
    [consent] = cq("consent", "--json").json
    assert consent["notice"] is None


def test_a_record_has_the_structure_and_the_terms_of_the_standard(cq: Here) -> None:
    cq("on")
    cq("off")
    no, yes = cq("consent", "--record").json
    assert [one["event"]["event_state"] for one in (no, yes)] == [
        "dpv:ConsentRefused",
        "dpv:ConsentGiven",
    ]
    assert yes["schema_version"] == "ISO/IEC TS 27560:2023"
    [purpose] = yes["pii_processing"]["purposes"]
    assert "service.instance.id" in [one["pii_type"] for one in purpose["pii_information"]]
    assert purpose["withdrawal_method"] == "cq-telemetry off --program cloudquery"
    assert yes["record_id"] != no["record_id"]


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"time": -1}', b"null", b"\xff", b"[" * 5000])
def test_a_torn_line_hides_no_other(cq: Here, line: bytes) -> None:
    cq("on")
    path = Path(places().state, history.HISTORY)
    path.write_bytes(line + b"\n" + path.read_bytes())
    assert told(cq) == ["telemetry of cloudquery: on, by the command line"]


def test_a_choice_that_cannot_be_noted_is_saved_and_that_is_said(cq: Here) -> None:
    Path(places().state, history.HISTORY).mkdir(parents=True)
    ended = cq("off")
    assert ended.code == 0
    assert "the choice is saved, but not noted for cq-telemetry consent" in ended.said
    assert cq("status", "--json").json["decision"] == "off"


def test_the_history_is_bounded_and_keeps_what_is_new(cq: Here) -> None:
    path = Path(places().state, history.HISTORY)
    cq("on")
    line = path.read_bytes()
    path.write_bytes(line * (history.MAX_BYTES // len(line) + 1))
    cq("off")
    assert path.stat().st_size < history.MAX_BYTES
    assert history.history(places().state)[-1].value == "off"


# forget ------------------------------------------------------------------------------------------


def test_everything_goes_but_the_choices(cq: Here) -> None:
    cq("on")
    cq.record()
    other = cq.project.parent / "other"
    other.mkdir()
    for folder in (cq.project, other):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            cq("cookie", "reset")
    ended = cq("forget", "--yes")
    assert ended.code == 0
    assert "2 installation IDs" in ended.said
    assert cq("status", "--json").json["decision"] == "on"
    assert list(Path(places().state).iterdir()) == []
    assert not list(cq.home.parent.rglob("telemetry-cookie"))


def test_the_choices_go_where_that_is_asked_for_and_profiles_stay(cq: Here) -> None:
    cq("off")
    profile = cq.config / "profiles" / "mine.toml"
    profile.parent.mkdir()
    profile.write_text("")
    assert cq("forget", "--yes", "--choices").code == 0
    assert cq("status", "--json").json["decision"] == "hold"
    assert profile.is_file()
    assert not cq.choices.exists()


def test_nothing_is_removed_without_an_answer(cq: Here) -> None:
    assert "there is nothing of cqtel here" in cq("forget", "--yes").said
    identity = cq.record()
    ended = cq("forget")
    assert (ended.code, "pass --yes" in ended.said) == (2, True)
    assert [row["id"] for row in cq("pending", "--json").json] == [identity]
