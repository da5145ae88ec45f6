from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cqtel_tui.consent.decision import Decision, ask
from cqtel_tui.consent.layers import reasons, why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .conftest import Machine

    Put = Callable[[Path, object], None]

YES = {"telemetry": "on", "catalogue": 1, "consented": 5}
NO = {"telemetry": "off"}
NOBODY = 65534
PROGRAM = "cloudquery"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount, and give files away")


@pytest.fixture
def below(machine: Machine) -> Path:
    folder = machine.project / "a" / "b"
    folder.mkdir(parents=True)
    return folder


def asked(machine: Machine, directory: Path, *named: str, home: Path | None = None) -> Decision:
    environ = {} if home is None else {"HOME": str(home)}
    return ask(machine.places, (), environ, str(directory), named, PROGRAM)


class TestANoOfAProject:
    @pytest.mark.usefixtures("below")
    @pytest.mark.parametrize("where", ["", "a", "a/b"])
    def test_holds_in_its_subfolders_too(self, machine: Machine, put: Put, where: str) -> None:
        put(machine.project_file, NO)
        decision = asked(machine, machine.project / where)
        assert (decision.state, why(decision)) == ("off", str(machine.project_file))

    def test_holds_whatever_a_project_within_it_says(
        self, machine: Machine, put: Put, below: Path
    ) -> None:
        put(machine.project_file, NO)
        (below / ".cq").mkdir()
        put(below / ".cq" / "telemetry.json", {"debug": False})
        decision = asked(machine, below)
        said = [(r.says, r.source) for r in reasons(decision) if r.layer == "project"]
        assert said == [
            ("no debug", str(below / ".cq" / "telemetry.json")),
            ("off", str(machine.project_file)),
        ]

    def test_to_debug_mode_holds_as_well(self, machine: Machine, put: Put, below: Path) -> None:
        put(machine.project_file, {"debug": False})
        decision = ask(machine.places, ["--debug-telemetry"], {}, str(below), (), PROGRAM)
        assert (decision.state, decision.debug) == ("hold", False)

    def test_does_not_hold_beside_it(self, machine: Machine, put: Put) -> None:
        put(machine.project_file, NO)
        (machine.root / "project-2").mkdir()
        assert asked(machine, machine.root / "project-2").state == "hold"
        assert asked(machine, machine.root).state == "hold"

    @pytest.mark.parametrize("kind", ["link", "file", "link of its folder", "folder", "fifo"])
    def test_that_cannot_be_read_on_the_way_is_a_no(
        self, machine: Machine, below: Path, kind: str
    ) -> None:
        folder = machine.project / ".cq"
        elsewhere = machine.root / "elsewhere"
        elsewhere.mkdir()
        if kind in {"link of its folder", "file"}:
            folder.rmdir()
        if kind == "link of its folder":
            folder.symlink_to(elsewhere)
        elif kind == "file":
            folder.write_text("")
        elif kind == "link":
            machine.project_file.symlink_to(elsewhere / "nothing")
        elif kind == "folder":
            machine.project_file.mkdir()
        else:
            os.mkfifo(machine.project_file)
        decision = asked(machine, below)
        assert decision.state == "off"
        assert why(decision).startswith(f"{machine.project_file} (")

    def test_holds_at_the_home_folder_and_no_further(
        self, machine: Machine, put: Put, below: Path
    ) -> None:
        put(machine.project_file, NO)
        assert asked(machine, below, home=machine.project).state == "off"
        assert asked(machine, below, home=machine.project / "a").state == "hold"

    def test_is_not_looked_for_above_a_home_that_is_known_by_a_link(
        self, machine: Machine, put: Put, below: Path
    ) -> None:
        put(machine.project_file, NO)
        link = machine.root / "link"
        link.symlink_to(machine.project / "a")
        assert asked(machine, below, home=link).state == "hold"

    def test_is_looked_for_from_the_root_of_the_system(self, machine: Machine) -> None:
        assert asked(machine, Path("/")).state == "hold"


@as_root
class TestAtTheBorderOfAFileSystem:
    @pytest.fixture
    def mounted(self, machine: Machine) -> Iterator[Path]:
        folder = machine.project / "mounted"
        folder.mkdir()
        done = subprocess.run(
            ["/bin/mount", "-t", "tmpfs", "none", str(folder)], check=False, capture_output=True
        )
        if done.returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr.decode()}")
        yield folder
        subprocess.run(["/bin/umount", str(folder)], check=True)

    def test_a_project_s_no_ends(self, machine: Machine, put: Put, mounted: Path) -> None:
        put(machine.project_file, NO)
        (mounted / "sub").mkdir()
        assert asked(machine, machine.project).state == "off"
        assert asked(machine, mounted).state == "hold"
        assert asked(machine, mounted / "sub").state == "hold"

    def test_what_is_within_is_heard(self, machine: Machine, put: Put, mounted: Path) -> None:
        (mounted / ".cq").mkdir()
        (mounted / "sub").mkdir()
        put(mounted / ".cq" / "telemetry.json", NO)
        assert asked(machine, mounted / "sub").state == "off"

    def test_the_user_s_own_no_does_not_end(self, machine: Machine, mounted: Path) -> None:
        machine.user_chose(YES, NO)
        assert asked(machine, mounted).state == "off"


class TestFoldersThatAreNamed:
    """By `--cq-dir` or `--data-dir`, which put a folder of any name in the place of `.cq`."""

    @pytest.fixture
    def elsewhere(self, machine: Machine) -> Path:
        folder = machine.root / "elsewhere"
        folder.mkdir()
        return folder

    def test_have_the_no_of_their_own(self, machine: Machine, put: Put, elsewhere: Path) -> None:
        put(elsewhere / "telemetry.json", NO)
        assert asked(machine, machine.project).state == "hold"
        decision = asked(machine, machine.project, str(elsewhere))
        assert (decision.state, why(decision)) == ("off", str(elsewhere / "telemetry.json"))

    @pytest.mark.usefixtures("below")
    @pytest.mark.parametrize("named", [".cq", "a/b", "not/there/yet"])
    def test_have_that_of_the_project_they_lie_in(
        self, machine: Machine, put: Put, elsewhere: Path, named: str
    ) -> None:
        put(machine.project_file, NO)
        assert asked(machine, elsewhere, str(machine.project / named)).state == "off"

    def test_leave_the_no_of_the_current_project_in_force(
        self, machine: Machine, put: Put, elsewhere: Path
    ) -> None:
        put(machine.project_file, NO)
        assert asked(machine, machine.project, str(elsewhere)).state == "off"

    def test_are_named_from_the_current_directory(
        self, machine: Machine, put: Put, elsewhere: Path
    ) -> None:
        put(elsewhere / "telemetry.json", NO)
        assert asked(machine, machine.project, "../elsewhere").state == "off"

    def test_may_be_links_for_the_user_named_them(
        self, machine: Machine, put: Put, elsewhere: Path
    ) -> None:
        put(elsewhere / "telemetry.json", NO)
        (machine.root / "link").symlink_to(elsewhere)
        assert asked(machine, machine.project, str(machine.root / "link")).state == "off"

    def test_have_the_user_s_no_to_the_project_they_lie_in(
        self, machine: Machine, elsewhere: Path
    ) -> None:
        machine.user_chose(YES, NO)
        assert asked(machine, elsewhere).state == "on"
        assert asked(machine, elsewhere, str(machine.project / "data")).state == "off"

    def test_can_say_nothing_but_no(self, machine: Machine, put: Put, elsewhere: Path) -> None:
        put(elsewhere / "telemetry.json", {"telemetry": "on", "catalogue": 1})
        assert asked(machine, machine.project, str(elsewhere)).state == "off"


class TestTheUsersChoiceForAProject:
    def test_if_it_is_no_holds_in_its_subfolders(self, machine: Machine, below: Path) -> None:
        machine.user_chose(YES, NO)
        decision = asked(machine, below)
        assert decision.state == "off"
        assert why(decision) == (
            f"{machine.choices} (you chose this for all programs in {machine.project}, "
            "which this lies in)"
        )

    def test_if_it_is_no_to_debug_mode_holds_there_too(self, machine: Machine, below: Path) -> None:
        machine.user_chose({**YES, "debug": True}, {"debug": False})
        decision = asked(machine, below)
        assert (decision.state, decision.debug) == ("on", False)

    def test_if_it_is_yes_is_for_that_folder_alone(self, machine: Machine, below: Path) -> None:
        machine.user_chose(
            None, {**YES, "debug": True, "endpoint": "https://collector.example/v1/traces"}
        )
        decision = asked(machine, below)
        assert (decision.state, decision.debug, decision.endpoint) == ("hold", False, None)
        assert machine.ask().state == "on"

    def test_if_it_is_no_outweighs_a_yes_beneath_it(
        self, machine: Machine, put: Put, below: Path
    ) -> None:
        put(machine.choices, {"projects": {str(machine.project): NO, str(below): YES}})
        assert asked(machine, below).state == "off"

    @pytest.mark.parametrize("spelling", ["{}/", "{}/.", "{0}/a/..", "/{}", "{}/../link"])
    def test_if_it_is_no_holds_however_a_person_wrote_the_folder(
        self, machine: Machine, put: Put, below: Path, spelling: str
    ) -> None:
        (machine.root / "link").symlink_to(machine.project)
        put(machine.choices, {"all": YES, "projects": {spelling.format(machine.project): NO}})
        assert machine.ask().state == "off"
        assert asked(machine, below).state == "off"
        assert asked(machine, machine.root).state == "on"

    @pytest.mark.parametrize("where", ["", ".", "project", "~/project", "$HOME"])
    def test_is_not_read_where_nobody_can_tell_which_folder_is_meant(
        self, machine: Machine, put: Put, where: str
    ) -> None:
        put(machine.choices, {"all": YES, "projects": {where: NO}})
        decision = machine.ask()
        assert decision.state == "off"
        assert f'"projects" has {where!r}, which is not an absolute path' in why(decision)

    def test_if_it_is_no_to_everything_holds_everywhere(self, machine: Machine, put: Put) -> None:
        put(machine.choices, {"all": YES, "projects": {"/": NO}})
        assert machine.ask().state == "off"


class TestAMovedHomeInARepository:
    """A variable that a repository sets is no reason to believe what lies in it."""

    @pytest.fixture
    def repository(self, machine: Machine) -> Path:
        (machine.project / ".git").mkdir()
        return machine.project

    def decided(self, machine: Machine, home: Path, environ: dict[str, str]) -> Decision:
        machine.choices.rename(home / "choices.json")
        places = (str(home), str(home), ())
        given = {"HOME": str(machine.home), **environ}
        return ask(places, (), given, str(machine.project), (), PROGRAM)

    @pytest.mark.parametrize("variable", ["CQ_TELEMETRY_HOME", "XDG_CONFIG_HOME"])
    @pytest.mark.parametrize("mark", [".git", ".hg", ".jj", ".svn"])
    def test_cannot_say_yes(self, machine: Machine, variable: str, mark: str) -> None:
        home = machine.project / ".tele"
        home.mkdir()
        (machine.project / mark).mkdir()
        machine.user_chose({**YES, "endpoint": "https://evil.example/v1/traces"})
        decision = self.decided(machine, home, {variable: str(home)})
        assert decision.state == "off"
        assert f"it is in the repository {machine.project}" in why(decision)

    def test_cannot_name_an_endpoint_either(self, machine: Machine, repository: Path) -> None:
        home = repository / ".tele"
        home.mkdir()
        machine.user_chose({"endpoint": "https://evil.example/v1/traces"})
        assert self.decided(machine, home, {"CQ_TELEMETRY_HOME": str(home)}).state == "off"

    def test_is_not_hidden_by_a_link(self, machine: Machine, repository: Path) -> None:
        home = repository / ".tele"
        home.mkdir()
        machine.user_chose(YES)
        machine.choices.rename(home / "choices.json")
        link = machine.root / "link"
        link.symlink_to(home)
        decision = ask(
            (str(link), str(link), ()),
            (),
            {"CQ_TELEMETRY_HOME": str(link)},
            str(repository),
            (),
            PROGRAM,
        )
        assert decision.state == "off"

    @pytest.mark.usefixtures("repository")
    def test_is_believed_in_another_repository(self, machine: Machine) -> None:
        other = machine.root / "other"
        (other / ".git").mkdir(parents=True)
        machine.user_chose(YES)
        assert self.decided(machine, other, {"CQ_TELEMETRY_HOME": str(other)}).state == "on"

    def test_is_believed_where_the_home_folder_is_a_repository_itself(
        self, machine: Machine
    ) -> None:
        (machine.home / ".git").mkdir()
        machine.user_chose(YES)
        environ = {"HOME": str(machine.home), "CQ_TELEMETRY_HOME": str(machine.config)}
        (machine.home / "src").mkdir()
        assert ask(machine.places, (), environ, str(machine.home), (), PROGRAM).state == "on"
        assert (
            ask(machine.places, (), environ, str(machine.home / "src"), (), PROGRAM).state == "on"
        )


@as_root
class TestRootInTheHomeOfAUser:
    def decided(self, machine: Machine) -> Decision:
        return asked(machine, machine.project, home=machine.home)

    def test_records_nothing_and_says_why(self, machine: Machine) -> None:
        os.chown(machine.home, NOBODY, NOBODY)
        decision = self.decided(machine)
        assert decision.state == "off"
        assert f"you are root, and it is the folder of another user (uid {NOBODY})" in why(decision)

    def test_records_nothing_where_our_folder_is_still_to_be_made(self, machine: Machine) -> None:
        machine.config.rmdir()
        os.chown(machine.config.parent, NOBODY, NOBODY)
        assert self.decided(machine).state == "off"

    def test_records_in_its_own(self, machine: Machine) -> None:
        assert self.decided(machine).state == "hold"
        os.chown(machine.project, NOBODY, NOBODY)
        assert self.decided(machine).state == "hold"

    def test_records_in_a_moved_one_of_its_own(self, machine: Machine) -> None:
        os.chown(machine.home, NOBODY, NOBODY)
        moved = machine.root / "moved"
        places = (str(moved), str(moved), ())
        environ = {"HOME": str(machine.home), "CQ_TELEMETRY_HOME": str(moved)}
        assert ask(places, (), environ, str(machine.project), (), PROGRAM).state == "hold"
