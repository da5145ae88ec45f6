"""A bare command, a word that is none, and help on commands and topics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cqtel_tui.cli import main
from cqtel_tui.cli.helping import text_of, topics
from cqtel_tui.cli.parser import commands
from cqtel_tui.consent.saving import decide_telemetry

from ..tui.conftest import empty, machine

if TYPE_CHECKING:
    from ..tui.driving import Machine

__all__ = ["empty", "machine"]


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    main(words)
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_a_bare_command_says_how_things_stand_and_what_comes_next(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    told = said(capsys)
    assert "Telemetry is undecided" in told
    assert "5 payloads pending" in told
    named = [line.split("  ")[1] for line in told.splitlines() if line.startswith("  cq")]
    assert named == ["cq-telemetry-ui", "cq-telemetry off", "cq-telemetry on"]
    machine.choose(**decide_telemetry("off"))
    assert "cq-telemetry status" in said(capsys)


@pytest.mark.parametrize("choice", ["on", "off", None])
def test_each_next_command_is_one(
    empty: Machine, capsys: pytest.CaptureFixture[str], choice: str | None
) -> None:
    if choice:
        empty.choose(**decide_telemetry(choice))
    lines = [line for line in said(capsys).splitlines() if line.startswith("  cq-telemetry")]
    assert len(lines) == 3
    for line in lines:
        word, *rest = line.split()
        assert word == "cq-telemetry-ui" or rest[0] in commands()


def test_a_word_that_is_no_command_is_answered_with_the_one_that_was_meant(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["stauts"])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "there is no command 'stauts'. Did you mean status?" in told
    assert "choose from" not in told
    with pytest.raises(SystemExit):
        main(["xyzzy"])
    assert "Did you mean" not in capsys.readouterr().err


def test_help_shows_commands_and_topics(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    told = said(capsys, "help")
    assert all(topic in told for topic in topics())
    assert "usage: cq-telemetry send" in said(capsys, "help", "send")
    for topic in topics():
        assert text_of(topic).splitlines()[0] in said(capsys, "help", topic)
    assert main(["help", "sned"]) == 2
    assert "Did you mean send?" in capsys.readouterr().err


def test_an_id_may_be_given_by_its_beginning(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    label = machine.labels()[0]
    assert "beginning" in said(capsys, "help", "show")
    assert label.id in said(capsys, "show", label.id[:6])
