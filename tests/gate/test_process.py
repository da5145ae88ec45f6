from __future__ import annotations

import contextlib
import os
import pty
import select
import shlex
import shutil
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pexpect import EOF
from pexpect.fdpexpect import fdspawn

from cqtel_tui.gate.executing import CommandNotFound
from cqtel_tui.gate.process import Outcome, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
BASH = shutil.which("bash") or "bash"
PATIENCE = 60.0  # seconds, for a machine under load; nothing here takes so long by design

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells where a signal came from"
)
with_bash = pytest.mark.skipif(shutil.which(BASH) is None, reason="bash is not installed")

# What `cq-telemetry run` comes to.
WRAPPER = """
import os, sys
from cqtel_tui.gate.executing import CommandNotFound
from cqtel_tui.gate.process import end_like, run
try:
    outcome = run(sys.argv[1:], os.environ)
except CommandNotFound as error:
    print(error, file=sys.stderr)
    sys.exit(error.status)
end_like(outcome)
"""
WITHOUT_SIGWAITINFO = f"import signal; del signal.sigwaitinfo\n{WRAPPER}"  # as on macOS
WITHOUT_POSIX_SPAWN = f"import os; del os.posix_spawn\n{WRAPPER}"  # as on Windows

# A program that writes down every signal it gets, and ends with code 7 on SIGTERM and SIGQUIT.
RECORDER = """
import os, signal, sys
names = "ALRM CONT HUP INT QUIT TERM USR1 USR2 WINCH".split()
heard = {getattr(signal, "SIG" + name) for name in names}
signal.pthread_sigmask(signal.SIG_BLOCK, heard)
for number in heard:
    signal.signal(number, lambda *_: None)
notes = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND) if sys.argv[1:] else 1
def note(text):
    os.write(notes, f"{text}\\n".encode())
note(f"ready {os.getpid()} {os.getppid()}")
number = None
while number not in (signal.SIGQUIT, signal.SIGTERM):
    number = signal.sigwait(heard)
    note(number.name)
sys.exit(7)
"""
RECORD = [sys.executable, "-S", "-E", "-c", RECORDER]

# Take the standard input as the controlling terminal, and become the command.
AT_THE_TERMINAL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def wrapped(*command: str, wrapper: str = WRAPPER) -> list[str]:
    return [sys.executable, "-c", wrapper, *command]


def environment(**more: str) -> dict[str, str]:
    # With a UTF-8 locale Python adds no LC_CTYPE of its own to its environment (PEP 538).
    ours = {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "TERM": "dumb", "PS1": "prompt> "}
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**inherited, **ours, **more}


def eventually(happens: Callable[[], bool], *, within: float = PATIENCE) -> bool:
    deadline = time.monotonic() + within
    while not happens():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


class Running:
    """A process under test, what it says, and what is typed to it."""

    def __init__(self, process: subprocess.Popen[bytes], output: int) -> None:
        self.process = process
        self.output = fdspawn(output, timeout=PATIENCE, encoding="utf-8")

    def expect(self, pattern: str) -> str:
        """Wait for a match; return what was said before it, and it."""
        self.output.expect(pattern)
        return f"{self.output.before}{self.output.after}"

    def ready(self) -> int:
        """Wait for a recorder; return its process id."""
        self.expect(r"ready (\d+) \d+\s")
        return int(self.output.match[1])

    def type(self, text: str) -> None:
        self.output.send(text)

    def hear(self, number: signal.Signals) -> None:
        """Send a signal to this process alone."""
        os.kill(self.process.pid, number)

    def the_rest(self) -> list[str]:
        self.output.expect(EOF)
        return str(self.output.before).split()

    def ends(self) -> int:
        return self.process.wait(PATIENCE)

    def is_stopped_by(self, number: signal.Signals) -> bool:
        def stopped() -> bool:
            flags = os.WSTOPPED | os.WNOHANG
            news = os.waitid(os.P_PID, self.process.pid, flags)
            return news is not None and news.si_status == number

        return eventually(stopped)


@contextlib.contextmanager
def started(
    command: list[str], *, session: bool = True, cwd: Path | None = None
) -> Iterator[Running]:
    """Start a command whose standard output is a pipe, in a session or a group of its own."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=environment(),
        cwd=cwd,
        start_new_session=session,
        process_group=None if session else 0,
    ) as process:
        assert process.stdout is not None
        try:
            yield Running(process, process.stdout.fileno())
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def at_a_terminal(command: list[str], **more: str) -> Iterator[Running]:
    """Start a command as the leader of a session with a terminal of its own, without echo."""
    # Not pexpect.spawn: it forks, which Python 3.12 warns of where another test left a thread.
    ours, theirs = pty.openpty()
    modes = termios.tcgetattr(theirs)
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    process = subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", AT_THE_TERMINAL, *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(**more),
        start_new_session=True,
    )
    os.close(theirs)
    with process:
        try:
            yield Running(process, ours)
        finally:
            groups = {process.pid}
            with contextlib.suppress(OSError):  # a test may have hung up
                groups.add(os.tcgetpgrp(ours))
                os.close(ours)
            for group in groups - {0}:  # 0: nobody is in the foreground; and for killpg, us
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)


@contextlib.contextmanager
def at_a_shell(folder: Path) -> Iterator[Running]:
    """Start an interactive bash, where `$W` is the wrapper and `$R` the recorder."""
    (folder / "wrapper.py").write_text(WRAPPER)
    (folder / "recorder.py").write_text(RECORDER)
    names = {
        "W": f"{sys.executable} {folder}/wrapper.py",
        "R": f"{sys.executable} -S -E {folder}/recorder.py",
        "HISTFILE": "/dev/null",
    }
    bash = [BASH, "--noprofile", "--norc", "--noediting", "-i"]
    with at_a_terminal(bash, **names) as shell:
        shell.expect("prompt> ")
        yield shell


# What the program is given


WHAT_A_SHELL_SEES = r"""
sed -n 's/^SigIgn.*\(.......\)$/signals 1 to 28: \1/p' /proc/self/status
ls -l /proc/self/fd | wc -l
ulimit -a; umask; pwd; env | sort; printf '[%s]' "$0" "$@"
"""


@on_linux
@pytest.mark.parametrize(
    "probe",
    [
        # Not from a shell, which may set a signal mask of its own.
        ["grep", "-E", "^(SigBlk|Umask|Seccomp|NoNewPrivs)", "/proc/self/status"],
        ["sh", "-c", WHAT_A_SHELL_SEES, "its name", "", " a  b", "$HOME", "*", "é\n"],
    ],
    ids=["its mask", "its shell"],
)
def test_the_program_cannot_tell_that_it_was_started_by_us(probe: list[str]) -> None:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGTERM})
    try:
        alone, with_us = (
            subprocess.run(
                command,
                env=environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
            )
            for command in (probe, wrapped(*probe))
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    assert alone.stdout.decode() == with_us.stdout.decode()
    assert with_us.stderr == b""


def test_the_program_stays_in_our_group_and_session() -> None:
    say = "import os; print(os.getpgrp(), os.getsid(0), os.getppid())"
    with started(wrapped(sys.executable, "-c", say)) as ours:
        assert ours.the_rest() == [str(ours.process.pid)] * 3


def test_every_byte_passes_as_it_is() -> None:
    sent = os.urandom(1_000_000)
    done = subprocess.run(
        wrapped("cat"), input=sent, env=environment(), capture_output=True, check=True
    )
    assert done.stdout == sent
    assert done.stderr == b""


@with_bash
def test_a_reader_that_leaves_early_ends_the_program_by_sigpipe() -> None:
    line = f"{shlex.join(wrapped('yes'))} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        [BASH, "-c", line], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["y", str(128 + signal.SIGPIPE)]
    assert done.stderr == ""


def test_the_program_sees_the_terminal_and_owns_it() -> None:
    say = "import os, sys; print(*map(os.isatty, (0, 1, 2)), os.tcgetpgrp(0) == os.getpgrp())"
    with at_a_terminal(wrapped(sys.executable, "-c", say)) as ours:
        ours.expect("True True True True")
        assert ours.ends() == 0


# How it ends


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_the_exit_code_is_the_programs_own(code: int) -> None:
    outcome = run(["sh", "-c", f"exit {code}"], os.environ)
    assert (outcome.exit_code, outcome.signal, outcome.shell_status) == (code, None, code)
    command = wrapped("sh", "-c", f"exit {code}")
    assert subprocess.run(command, env=environment(), check=False).returncode == code


@with_bash
@pytest.mark.parametrize("name", ["HUP", "INT", "KILL", "SEGV", "TERM", "USR1"])
def test_a_program_killed_by_a_signal_looks_so_from_outside(name: str) -> None:
    number = getattr(signal, f"SIG{name}")
    command = wrapped("sh", "-c", f"ulimit -c 0; kill -{name} $$")
    assert subprocess.run(command, env=environment(), check=False).returncode == -number
    shell = subprocess.run(
        [BASH, "-c", f"{shlex.join(command)}; echo $?"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert shell.stdout.split() == [str(128 + number)]


def test_the_outcome_says_by_what_and_when() -> None:
    before = time.time_ns()
    outcome = run(["sh", "-c", "kill -TERM $$"], os.environ)
    assert (outcome.exit_code, outcome.signal) == (None, signal.SIGTERM)
    assert outcome.shell_status == 128 + signal.SIGTERM
    assert before <= outcome.started_unix_nano <= time.time_ns()
    assert 0 < outcome.duration <= (time.time_ns() - before) / 1e9
    with pytest.raises(AttributeError):
        outcome.exit_code = 0  # type: ignore[misc]


def test_a_program_that_dumps_core_makes_us_dump_none(tmp_path: Path) -> None:
    program = ["sh", "-c", "ulimit -c 0; kill -QUIT $$"]
    with_cores = ["sh", "-c", 'ulimit -S -c unlimited 2>&-; exec "$@"', "sh", *wrapped(*program)]
    with started(with_cores, cwd=tmp_path) as ours:
        # Popen would not tell "dumped" from "killed".
        ended = os.waitid(os.P_PID, ours.process.pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        assert (ended.si_code, ended.si_status) == (os.CLD_KILLED, signal.SIGQUIT)
    assert list(tmp_path.iterdir()) == []


def test_what_we_wrote_is_out_before_we_end() -> None:
    say = "sys.stdout.write('last words'); sys.stderr.write('and these')"
    wrapper = WRAPPER.replace("\nend_like(", f"\n{say}\nend_like(")
    done = subprocess.run(
        wrapped("sh", "-c", "kill -KILL $$", wrapper=wrapper),
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-9, b"last words", b"and these")


def test_we_end_alike_even_without_streams() -> None:
    script = (
        "import sys; from cqtel_tui.gate.process import *; sys.stdout = None; sys.stderr.close()"
    )
    ending = "end_like(Outcome(3, None, 0.0, 0))"
    command = [sys.executable, "-c", f"{script}; {ending}"]
    assert subprocess.run(command, env=environment(), check=False).returncode == 3


@pytest.mark.parametrize(
    "before",
    ["signal(15, SIG_IGN)", "signal(15, print)", "pthread_sigmask(SIG_BLOCK, {15})"],
)
def test_we_die_of_a_signal_even_where_we_would_not(before: str) -> None:
    ending = "end_like(Outcome(None, 15, 0.0, 0))"
    script = f"from signal import *; from cqtel_tui.gate.process import *; {before}; {ending}"
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, env=environment(), check=False).returncode == -15


# Signals from outside


@pytest.mark.parametrize("wrapper", [WRAPPER, WITHOUT_SIGWAITINFO], ids=["origin", "no origin"])
def test_a_signal_sent_to_us_reaches_the_program_once(wrapper: str) -> None:
    names = ["INT", "HUP", "USR1", "USR2", "WINCH", "ALRM", "CONT", "QUIT"]
    with started(wrapped(*RECORD, wrapper=wrapper)) as ours:
        ours.ready()
        for name in names:
            ours.hear(getattr(signal, f"SIG{name}"))
            assert ours.expect(rf"SIG{name}\s").split() == [f"SIG{name}"]
        assert ours.the_rest() == []
        assert ours.ends() == 7


def test_after_sigterm_we_wait_for_the_program_and_leave_nothing_behind() -> None:
    with started(wrapped(*RECORD)) as ours:
        program = ours.ready()
        ours.hear(signal.SIGTERM)
        assert ours.the_rest() == ["SIGTERM"]
        assert ours.ends() == 7
        assert not is_alive(program)


def test_a_program_that_sigterm_kills_makes_us_die_of_sigterm() -> None:
    with started(wrapped("sh", "-c", "echo $$; exec sleep 60")) as ours:
        program = int(ours.expect(r"\d+\s"))
        ours.hear(signal.SIGTERM)
        assert ours.ends() == -signal.SIGTERM
        assert not is_alive(program)


@on_linux
def test_a_signal_from_the_program_is_not_sent_back_to_it() -> None:
    poke = 'os.kill(os.getppid(), signal.SIGUSR1)\nnote(f"ready'
    with started(wrapped(*RECORD[:-1], RECORDER.replace('note(f"ready', poke))) as ours:
        ours.ready()
        ours.hear(signal.SIGTERM)
        assert ours.the_rest() == ["SIGTERM"]


@on_linux
def test_an_alarm_set_before_us_ends_the_program() -> None:
    # `perl -e 'alarm shift; exec @ARGV' 5 command`: the kernel sends it, and to us alone.
    wrapper = WRAPPER.replace(
        "os.environ)",
        "os.environ, on_start=lambda _: signal.setitimer(signal.ITIMER_REAL, 0.02))",
    )
    with started(wrapped("sleep", "60", wrapper=f"import signal\n{wrapper}")) as ours:
        assert ours.ends() == -signal.SIGALRM


def test_a_signal_that_comes_too_late_for_the_program_does_not_end_us() -> None:
    late = (
        "def late(process_id):\n"
        "    os.waitid(os.P_PID, process_id, os.WEXITED | os.WNOWAIT)\n"
        "    os.kill(os.getpid(), 15)\n"
    )
    wrapper = f"import os\n{late}{WRAPPER.replace('os.environ)', 'os.environ, on_start=late)')}"
    with started(wrapped("sh", "-c", "exit 7", wrapper=wrapper)) as ours:
        assert ours.ends() == 7


def test_what_was_ignored_stays_ignored_and_is_not_passed_on() -> None:
    nohup = ["sh", "-c", 'trap "" HUP INT; exec "$@"', "sh"]
    say = "import signal as s; print(s.getsignal(s.SIGHUP).name, s.getsignal(s.SIGINT).name)"
    with started([*nohup, *wrapped(sys.executable, "-c", say)]) as ours:
        assert ours.the_rest() == ["SIG_IGN", "SIG_IGN"]
    with started([*nohup, *wrapped(*RECORD)]) as ours:
        ours.ready()
        ours.hear(signal.SIGHUP)
        ours.hear(signal.SIGINT)
        ours.hear(signal.SIGTERM)
        assert ours.the_rest() == ["SIGTERM"]


def test_the_exit_code_survives_a_parent_that_ignores_sigchld() -> None:
    ignore = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    launcher = f"{ignore}; os.execv(sys.argv[1], sys.argv[1:])"
    with started([sys.executable, "-c", launcher, *wrapped("sh", "-c", "exit 7")]) as ours:
        assert ours.ends() == 7


def test_a_thread_in_which_signals_are_blocked_takes_none_away() -> None:
    busy = "threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()"
    wrapper = (
        f"import signal, threading\n"
        f"mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n{busy}\n"
        f"signal.pthread_sigmask(signal.SIG_SETMASK, mask)\n{WRAPPER}"
    )
    with started(wrapped(*RECORD, wrapper=wrapper)) as ours:
        ours.ready()
        for _ in range(20):
            ours.hear(signal.SIGUSR1)
            ours.expect(r"SIGUSR1\s")
        ours.hear(signal.SIGTERM)
        assert ours.ends() == 7


# The terminal's keys


@pytest.mark.parametrize("wrapper", [WRAPPER, WITHOUT_SIGWAITINFO], ids=["origin", "no origin"])
def test_a_key_reaches_the_program_once(wrapper: str) -> None:
    with at_a_terminal(wrapped(*RECORD, wrapper=wrapper)) as ours:
        ours.ready()
        for _ in range(5):  # a second SIGINT that is quick enough is one with the first
            ours.type("\x03")
            assert ours.expect(r"SIGINT\s").split() == ["SIGINT"]
            ours.hear(signal.SIGUSR1)  # all that was to come of Ctrl+C has come before this
            assert ours.expect(r"SIGUSR1\s").split() == ["SIGUSR1"]
        ours.type("\x1c")
        assert ours.the_rest() == ["SIGQUIT"]
        assert ours.ends() == 7


@on_linux
def test_a_new_window_size_reaches_the_program_once() -> None:
    with at_a_terminal(wrapped(*RECORD)) as ours:
        ours.ready()
        termios.tcsetwinsize(ours.output.child_fd, (30, 100))
        ours.expect(r"SIGWINCH\s")
        ours.hear(signal.SIGTERM)
        assert ours.the_rest() == ["SIGTERM"]


@on_linux
def test_an_interrupt_that_a_process_sends_is_passed_on_at_a_terminal_too() -> None:
    with at_a_terminal(wrapped(*RECORD)) as ours:
        ours.ready()
        ours.hear(signal.SIGINT)
        ours.expect(r"SIGINT\s")
        ours.hear(signal.SIGTERM)
        assert ours.ends() == 7


def test_a_program_that_ctrl_c_kills_makes_us_die_of_it() -> None:
    with at_a_terminal(wrapped("sh", "-c", "echo ready; exec sleep 60")) as ours:
        ours.expect("ready")
        ours.type("\x03")
        assert ours.ends() == -signal.SIGINT


@with_bash
def test_ctrl_c_ends_a_script_around_us_as_it_would_without_us() -> None:
    script = f"{shlex.join(wrapped('sh', '-c', 'echo ready; exec sleep 60'))}; echo went on"
    with at_a_terminal([BASH, "-c", script]) as ours:
        ours.expect("ready")
        ours.type("\x03")
        assert "went on" not in " ".join(ours.the_rest())
        assert ours.ends() == -signal.SIGINT


@on_linux
@pytest.mark.parametrize("leader", [[], ["sh", "-c", '"$@"; true', "sh"]], ids=["we", "a shell"])
def test_a_hangup_reaches_the_program_once(leader: list[str], tmp_path: Path) -> None:
    # It is told to the session's leader alone, and to the group only when the leader ends.
    notes = tmp_path / "notes"
    with at_a_terminal([*leader, *wrapped(*RECORD, str(notes))]) as ours:
        assert eventually(lambda: notes.exists() and notes.read_text().endswith("\n"))
        wrapper = int(notes.read_text().split()[2])
        os.close(ours.output.child_fd)
        assert eventually(lambda: "SIGHUP" in notes.read_text())
        os.kill(wrapper, signal.SIGTERM)
        assert eventually(lambda: "SIGTERM" in notes.read_text())
        assert notes.read_text().count("SIGHUP") == 1


# Stopping and going on


def test_when_the_program_stops_so_do_we_and_it_goes_on_with_us() -> None:
    with started(wrapped(*RECORD)) as ours:
        os.kill(ours.ready(), signal.SIGSTOP)
        assert ours.is_stopped_by(signal.SIGSTOP)
        ours.hear(signal.SIGCONT)
        ours.expect(r"SIGCONT\s")
        ours.hear(signal.SIGTERM)
        assert ours.the_rest() == ["SIGTERM"]
        assert ours.ends() == 7


def test_a_continue_right_after_a_stop_never_leaves_us_behind() -> None:
    with started(wrapped(*RECORD), session=False) as ours:
        ours.ready()
        for microseconds in range(0, 600, 3):
            os.killpg(ours.process.pid, signal.SIGTSTP)
            until = time.perf_counter() + microseconds / 1e6
            while time.perf_counter() < until:
                pass
            os.killpg(ours.process.pid, signal.SIGCONT)
            ours.hear(signal.SIGUSR1)
            ours.expect(r"SIGUSR1\s")
        ours.hear(signal.SIGTERM)
        assert ours.ends() == 7


@with_bash
def test_ctrl_z_jobs_and_fg_work_at_a_shell(tmp_path: Path) -> None:
    with at_a_shell(tmp_path) as shell:
        shell.type("$W sh -c 'echo ready; exec cat'\n")
        shell.expect("ready")
        shell.type("one\n")
        shell.expect("one")
        for word in ("two", "three"):
            shell.type("\x1a")
            shell.expect(r"\[1\]\+\s+Stopped\s+\$W")
            shell.expect("prompt> ")
            shell.type("echo was=$?; jobs\n")
            shell.expect(f"was={128 + signal.SIGTSTP}")
            shell.expect(r"\[1\]\+\s+Stopped\s+\$W")
            shell.expect("prompt> ")
            shell.type("fg\n")
            shell.expect("exec cat'")
            shell.type(f"{word}\n")
            shell.expect(word)
        shell.type("\x04")
        shell.expect("prompt> ")
        shell.type("echo is=$?; jobs\n")
        assert "Stopped" not in shell.expect("is=0.*prompt> ")


@with_bash
def test_fg_continues_the_program_once_and_ctrl_c_still_ends_it(tmp_path: Path) -> None:
    with at_a_shell(tmp_path) as shell:
        shell.type("$W $R\n")
        shell.ready()
        for _ in range(5):  # a second SIGCONT that is quick enough is one with the first
            shell.type("\x1a")
            shell.expect("Stopped.*prompt> ")
            shell.type("fg\n")
            shell.expect(r"SIGCONT\s")
            shell.type("\x03")
            assert shell.expect(r"SIGINT\s").split() == ["SIGINT"]
        shell.type("\x1c")
        shell.expect("SIGQUIT.*prompt> ")
        shell.type("echo is=$?\n")
        shell.expect("is=7")


@with_bash
def test_a_background_job_that_wants_the_keyboard_stops_until_fg(tmp_path: Path) -> None:
    with at_a_shell(tmp_path) as shell:
        shell.type("set -b; $W cat &\n")
        shell.expect(r"Stopped\s*\(tty input\)|Stopped")
        shell.type("fg\n")
        shell.expect(r"\$W cat")
        shell.type("typed\n")
        shell.expect("typed")
        shell.type("\x03")
        shell.expect("prompt> ")
        shell.type("echo is=$?\n")
        shell.expect("is=130")


@with_bash
def test_a_program_that_ignores_ctrl_z_is_not_stopped_by_it(tmp_path: Path) -> None:
    with at_a_shell(tmp_path) as shell:
        shell.type("""$W sh -c 'trap "" TSTP; echo ready; exec cat'\n""")
        shell.expect("ready")
        shell.type("\x1a")
        shell.type("still here\n")
        assert "Stopped" not in shell.expect("still here")
        shell.type("\x04")
        shell.expect("prompt> ")
        shell.type("echo is=$?\n")
        shell.expect("is=0")


# What cannot be started


@with_bash
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("no-such-program", 127),
        ("./no-such-program", 127),
        ("", 127),
        ("not-executable", 126),
        ("./not-executable", 126),
        ("./a-folder", 126),
        ("./bad-interpreter", 127),
        ("./not-executable/below", 126),
        ("./not-a-program", 126),
    ],
)
def test_what_cannot_be_started_is_told_as_bash_tells_it(
    name: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-folder").mkdir()
    (tmp_path / "not-executable").write_text("#!/bin/sh\n")
    for file, content in (
        ("bad-interpreter", b"#!/no/such/interpreter\n"),
        ("not-a-program", b"\x7fELF\0\0"),
    ):
        (tmp_path / file).write_bytes(content)
        (tmp_path / file).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with pytest.raises(CommandNotFound) as refused:
        run([name, "--flag"], environment(**path))
    shell = subprocess.run(
        [BASH, "-c", '"$@"', "bash", name],
        env=environment(**path),
        capture_output=True,
        check=False,
    )
    assert refused.value.arguments == (name, "--flag")
    assert refused.value.status == status == shell.returncode
    assert shell.stderr.decode().endswith(f": {refused.value}\n")


def test_the_path_looked_through_is_the_one_given(tmp_path: Path) -> None:
    tool = tmp_path / "tool-of-this-test"
    tool.write_text("#!/bin/sh\nexit 5\n")
    tool.chmod(0o755)
    assert run([tool.name], {"PATH": f"/no/such/folder:{tmp_path}"}).exit_code == 5
    with pytest.raises(CommandNotFound):
        run([tool.name], os.environ)
    assert run(["sh", "-c", "exit 6"], {}).exit_code == 6  # as execvp(3) without a PATH


def test_an_executable_file_further_down_the_path_is_found(tmp_path: Path) -> None:
    for folder, mode in (("first", 0o644), ("second", 0o755)):
        (tmp_path / folder).mkdir()
        tool = tmp_path / folder / "tool"
        tool.write_text("#!/bin/sh\nexit 5\n")
        tool.chmod(mode)
    assert run(["tool"], {"PATH": f"{tmp_path}/first:{tmp_path}/second"}).exit_code == 5


@pytest.mark.parametrize("path", ["", ":", ":/no/such/folder", "/no/such/folder:"])
def test_an_empty_path_never_means_the_current_folder(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandNotFound, match="tool: command not found"):
        run(["tool"], {"PATH": path})


def test_the_executable_may_differ_from_the_name_it_is_given() -> None:
    command = ["its-own-name", "-c", 'test "$0" = its-own-name && exit 4']
    assert run(command, os.environ, executable="sh").exit_code == 4
    assert run(command, os.environ, executable="/bin/sh").exit_code == 4


def test_no_arguments_are_no_program() -> None:
    with pytest.raises(ValueError, match="No program"):
        run([], os.environ)


# What it costs, and what it leaves


def test_handlers_mask_and_children_are_as_they_were() -> None:
    def ours(_number: int, _frame: object) -> None: ...

    program: list[int] = []
    theirs = signal.signal(signal.SIGUSR1, ours)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        run(["true"], os.environ, on_start=program.append)
        with pytest.raises(CommandNotFound):
            run(["no-such-program"], os.environ)
        assert signal.getsignal(signal.SIGUSR1) is ours
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask | {signal.SIGUSR2}
    finally:
        signal.signal(signal.SIGUSR1, theirs)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    with pytest.raises(ChildProcessError):
        os.waitpid(program[0], 0)


def test_on_start_is_told_the_process_id_while_the_program_runs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    told: list[str] = []

    def on_start(process_id: int) -> None:
        # The program waits in this pipe for somebody to read what it writes.
        told.extend([str(process_id), (tmp_path / "fifo").read_text().strip()])

    run(["sh", "-c", 'echo $$ > "$0"', str(tmp_path / "fifo")], os.environ, on_start=on_start)
    assert told[0] == told[1]


def test_a_mistake_in_on_start_does_not_stop_the_program(tmp_path: Path) -> None:
    def fail(_: int) -> None:
        raise RuntimeError("our own mistake")

    with pytest.raises(RuntimeError, match="our own mistake"):
        run(["sh", "-c", 'echo done > "$0"', str(tmp_path / "done")], os.environ, on_start=fail)
    assert (tmp_path / "done").read_text() == "done\n"


def test_run_belongs_to_the_main_thread_and_starts_nothing_elsewhere() -> None:
    wrong: list[BaseException] = []
    program: list[int] = []

    def elsewhere() -> None:
        try:
            run(["true"], os.environ, on_start=program.append)
        except ValueError as error:
            wrong.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert len(wrong) == 1
    assert program == []


def test_importing_it_brings_in_nothing_heavy() -> None:
    script = (
        "import sys; import cqtel_tui.gate.process as process; process.run(['true'], {});"
        "print(*{'asyncio', 'httpx', 'pathlib', 'rich', 'shutil', 'subprocess', 'textual',"
        " 'threading', 'typing'} & set(sys.modules))"
    )
    command = [sys.executable, "-S", "-c", script]
    assert subprocess.check_output(command, env=environment(), text=True).split() == []


@on_linux
def test_waiting_costs_nothing() -> None:
    with started(wrapped(*RECORD)) as ours:
        ours.ready()
        ours.hear(signal.SIGUSR1)
        ours.expect("SIGUSR1")
        status = Path(f"/proc/{ours.process.pid}/status")

        def wakings() -> list[str]:
            return [line for line in status.read_text().splitlines() if "voluntary_ctxt" in line]

        assert eventually(lambda: "S (sleeping)" in status.read_text())
        before = wakings()
        select.select([], [], [], 0.3)  # nothing is to happen in this time
        assert wakings() == before


# Where there is no posix_spawn


def test_without_posix_spawn_codes_and_signals_are_the_same() -> None:
    for program, code in (("exit 7", 7), ("kill -TERM $$", -signal.SIGTERM)):
        command = wrapped("sh", "-c", program, wrapper=WITHOUT_POSIX_SPAWN)
        assert subprocess.run(command, env=environment(), check=False).returncode == code


@pytest.mark.parametrize(("name", "status"), [("no-such-program", 127), ("/etc/passwd", 126)])
def test_without_posix_spawn_the_refusals_are_the_same(name: str, status: int) -> None:
    done = subprocess.run(
        wrapped(name, wrapper=WITHOUT_POSIX_SPAWN),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert done.stderr.startswith(f"{name}: ")


def test_without_posix_spawn_we_outlive_ctrl_c() -> None:
    with at_a_terminal(wrapped(*RECORD, wrapper=WITHOUT_POSIX_SPAWN)) as ours:
        program = ours.ready()
        ours.type("\x03")
        ours.expect("SIGINT")
        os.kill(program, signal.SIGTERM)
        assert ours.ends() == 7


def test_a_windows_code_beyond_31_bits_can_be_ended_with() -> None:
    script = "from cqtel_tui.gate.process import *; end_like(Outcome(0xC0000005, None, 0.0, 0))"
    done = subprocess.run([sys.executable, "-c", script], env=environment(), check=False)
    assert done.returncode == 0xC0000005 & 0xFF  # all that POSIX keeps of it
    assert Outcome(0xC0000005, None, 0.0, 0).shell_status == 0xC0000005
