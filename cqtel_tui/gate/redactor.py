"""Redact the intercepted requests of one run, one by one, and keep the run's record.

Works on what lies in the run's spool, so that it can be ended at any moment and begun again: a
request is removed there once its envelope is written, under an id that is always the same for it.
A request that has ended two redactions with it is held unread, and takes no other along.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from ..catalogue import is_name, is_version
from ..consent.decision import OFF, ON, ask_each
from ..errors import CqtelError
from ..outbox.envelope import identity_of
from ..outbox.losses import count_loss
from ..outbox.runs import BlockedChannel, Run, drop_run, read_run, write_run
from ..outbox.store import BOXES, NoSuchEnvelopeError, Outbox
from ..outbox.writing import PENDING
from ..paths import places
from . import holding
from .channels import Channels
from .holding import UNNAMED, Reporter, hold_one, rules_of
from .profile_files import read_profiles
from .refusals import LOST
from .rules import published_plugins
from .session import Known
from .shipped import PROFILES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .profiles import Profile
    from .redaction import Rules
    from .requests import Request
    from .session import Session
    from .spool import Spool

_TRIES = 2
"""Where in the name of a request, and of an envelope, its id is."""
_NO_CHANNELS = Channels(variable="")


class Redactor:
    """Redacts what lies in the spool of one run.

    Args:
        spool: the run's.
        is_live: whether this is the run's own gate: then a no of the user's is heard at once. What
            a dead one has left is only redacted, whatever the environment of who finds it says.
        before_each: called before each request.
    """

    def __init__(
        self, spool: Spool, *, is_live: bool, before_each: Callable[[], None] = lambda: None
    ) -> None:
        self.session: Session = spool.session
        self._spool = spool
        self._is_live = is_live
        self._before_each = before_each
        self._outbox = Outbox(self.session.state)
        self._programs = _programs(self.session)
        self._rules: dict[str, Rules] = {}
        self._used: dict[str, None] = {}
        self._lost = 0
        self._is_new = True
        self.known = Known(version=self.session.version)
        self._held: list[str] = []
        self._states: Mapping[str | None, str] = {}
        if (before := read_run(self.session.state, self._record().file_name)) is not None:
            self._held = list(before.intercepted)
            self.known = _known(before)

    def work(self) -> int:
        """Redact all that waits, and bring the run's record up to date; return how many were held.

        Raises:
            OSError: an envelope or the record could not be written; what is not held waits here.
        """
        held = len(self._held)
        self._states = self._look_up() if self._is_live else {}
        is_off = self._is_live and self.state == OFF
        problem: OSError | None = None
        for name in self._spool.names():
            if is_off:
                self._spool.done(name)
                continue
            try:
                self._one(name)
            except OSError as error:  # of this one; the next may be smaller
                problem = error
        self._take_back()
        if is_off:
            with contextlib.suppress(OSError):
                drop_run(self.session.state, self._record())
        elif self._is_new:
            self.write()
        if problem is not None:
            raise problem
        return len(self._held) - held

    def know(self, known: Known) -> None:
        """Take note of what the gate knows by now; the next `work` writes it down."""
        self._is_new = self._is_new or known != self.known
        self.known = known

    def write(self) -> None:
        """Write the run's record.

        Raises:
            OSError: it could not be written.
        """
        record = self._record()
        # Of a command that is not known there is nothing to say unless it reported something.
        if record.app != UNNAMED or record.lost or any(record.refused.values()):
            write_run(self.session.state, record)
        self._is_new = False

    def inspect(self, request: Request) -> bytes:
        """Return what would be sent of a request, as JSON to be read and never sent."""
        channels, reporter, rules = self._of(request)
        return holding.for_inspection(request, channels, reporter, rules)

    def _one(self, name: str) -> None:
        """Hold one request, and forget it here."""
        self._before_each()
        name, tries = self._spool.begin(name)
        identity = identity_of(name)
        if tries:
            self._clear_up_after(name)
        if tries and (held := self._envelope(identity)):
            self._note(held)  # the last try was ended after it was done
        else:
            try:
                request = self._spool.read(name)
                if self._states.get(request.profile) == OFF:
                    self._spool.done(name)
                    return
                channels, reporter, rules = self._of(request)
                is_hopeless = tries >= _TRIES or request.profile not in self._programs
                envelope = hold_one(
                    self.session.state,
                    request,
                    channels,
                    reporter,
                    None if is_hopeless else rules,
                    identity,
                )
            except ValueError:  # it is incomplete
                self._lost += 1
                count_loss(self.session.state, LOST, "it was incomplete")
            except OSError:
                self._spool.give_back(name, tries)  # the disk is full: it stays until there is room
                raise
            else:
                self._note(identity_of(envelope))
        with contextlib.suppress(OSError):
            self.write()
        self._spool.done(name)

    def _note(self, identity: str) -> None:
        """Take note that an envelope is of this run."""
        if identity not in self._held:
            self._held.append(identity)

    def _clear_up_after(self, name: str) -> None:
        """Remove what a redaction that was killed had half written."""
        folder = self._outbox.folder / PENDING
        for leftover in folder.glob(f".*,{identity_of(name)},*"):
            leftover.unlink(missing_ok=True)

    def _envelope(self, identity: str) -> str:
        with contextlib.suppress(NoSuchEnvelopeError, CqtelError):
            return self._outbox.find(identity, BOXES)[1].id
        return ""

    def _of(self, request: Request) -> tuple[Channels, Reporter, Rules]:
        """Return how a request's program reports, who it is, and what may leave of it."""
        name, session = request.profile, self.session
        self._used.setdefault(name)
        profile = self._programs.get(name)
        channels = profile.channels if profile else _NO_CHANNELS
        reporter = Reporter(
            name,
            self.known.version if name == session.app else "",
            session.project,
            session.id,
            session.upstreams.get(request.path, session.upstreams.get(name, "")),
            name in session.debug,
            session.consent.get(name, ""),
            session.arguments,
            profile.operations | profile.programs if profile else frozenset(),
        )
        if name not in self._rules:
            key = bytes.fromhex(session.key) or os.urandom(32)
            self._rules[name] = rules_of(channels, key, reporter)
        # A program may have downloaded plugins meanwhile.
        published = published_plugins(session.project, session.named)
        return channels, reporter, replace(self._rules[name], published=published)

    @property
    def state(self) -> str:
        """What the user's answer to the started program comes to: `on`, `hold` or `off`."""
        own = self.session.app or None
        return self._states.get(own) or self._look_up()[own]

    @property
    def is_any_on(self) -> bool:
        """Whether anything of what was intercepted may go by itself."""
        states = self._look_up()
        return any(states.get(name) == ON for name in (self.session.app or None, *self._used))

    def _look_up(self) -> Mapping[str | None, str]:
        """Ask what the user's answer to each program comes to by now."""
        session = self.session
        programs = dict.fromkeys([session.app or None, *self._programs])
        directory = session.project or None
        try:
            decisions = ask_each(
                tuple(programs), places(), session.options, None, directory, session.named
            )
        except CqtelError:
            return dict.fromkeys(programs, OFF)
        return {name: decision.state for name, decision in decisions.items()}

    def _take_back(self) -> None:
        """Leave nothing of a program to which its user has said no while the run lasted.

        A no to the program that was started is one to all that it has started.
        """
        if OFF not in self._states.values():
            return
        is_off = self.state == OFF
        kept = []
        for identity in self._held:
            try:
                _, label = self._outbox.find(identity, [PENDING])
            except (CqtelError, OSError):
                kept.append(identity)
                continue
            if not is_off and self._states.get(label.app) != OFF:
                kept.append(identity)
                continue
            with contextlib.suppress(CqtelError, OSError):
                self._outbox.drop(PENDING, label)
        self._is_new = self._is_new or kept != self._held
        self._held = [] if is_off else kept

    def _record(self) -> Run:
        session, known = self.session, self.known
        app = session.app or next(iter(self._used), "")
        return Run(
            known.operation,
            session.created,
            app if is_name(app) else UNNAMED,
            known.version if is_version(known.version) else "",
            tuple(self._held),
            known.lost + self._lost,
            tuple(self._blocked()),
            session.id,
            dict(known.refused),
            known.late,
            known.is_over,
        )

    def _blocked(self) -> list[BlockedChannel]:
        names = dict.fromkeys([self.session.app, *self._used])
        return [
            BlockedChannel(
                each.name, each.reason, self.known.blocked_attempts if each.counted else None
            )
            for name in names
            if name in self._programs
            for each in self._programs[name].channels.blocked
            if self.known.blocked_attempts or not each.call  # else it was held, if it was made
        ]


def _programs(session: Session) -> dict[str, Profile]:
    """Return all programs that we know of, by the names of their profiles."""
    programs = {each.name: each for each in PROFILES}
    with contextlib.suppress(CqtelError):  # told by whoever starts the program
        programs |= {each.name: each for each in read_profiles(session.config)}
    return programs


def _known(run: Run) -> Known:
    """Return what the record of a run says that a gate knew of it."""
    attempts = [each.attempts for each in run.blocked if each.attempts is not None]
    return Known(
        run.operation,
        run.version,
        run.is_over,
        run.lost,
        run.late,
        run.refused,
        max(attempts, default=0),
    )
