"""The environment that a program is started with: refused, held at the gate, or blocked.

Every known profile is heeded, whatever the program is: it may start others. Pure, and lean
(DESIGN §11).
"""

from .channels import WHOLE_URL
from .profiles import ENDPOINTS_EVERYWHERE, REFUSED_EVERYWHERE
from .records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .channels import Channels
    from .listening import Gate
    from .profiles import Profile

BLOCKED_ADDRESS = "127.0.0.1:1"
"""A port that refuses, also when nobody of us is left to listen.

Port 0 would be taken for a default by some clients, and a malformed URL lets Go's SDK fall back to
its own. Below 1024 only the administrator may listen; 1 (tcpmux) is served by nobody, where 9
(discard) would accept a connection and never answer.
"""
BLOCKED_URL = f"http://{BLOCKED_ADDRESS}"

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_LOOPBACK = "127.0.0.1"


@record(frozen=True)
class Opened:
    """What a program is started with.

    Attributes:
        variables: its whole environment.
        upstreams: where what comes in at the gate was bound for, by the name of the profile; empty
            where that is not known, or nothing can be sent there.
        notes: what the user is told before the program starts, a line each.
        open_channels: the variables of the user's own that lead to a place of theirs.
        gate: where the known programs report to; None where nothing is to be held.
        problem: why nothing can be held; empty if it can, or is not wanted.
    """

    variables: "Mapping[str, str]"
    upstreams: "Mapping[str, str]" = {}  # noqa: RUF012  # never changed
    notes: "tuple[str, ...]" = ()
    open_channels: "tuple[str, ...]" = ()
    gate: "Gate | None" = None
    problem: str = ""


def refused(profiles: "Sequence[Profile]", environment: "Mapping[str, str]") -> Opened:
    """Return the environment in which no program reports anything, whatever is started in it."""
    variables = dict(environment)
    variables.update(REFUSED_EVERYWHERE)
    for profile in profiles:
        variables.update(profile.refuse)
    notes = [
        f"{name} is blocked while telemetry is off"
        for name in dict.fromkeys([*ENDPOINTS_EVERYWHERE, *_endpoints(profiles)])
        if environment.get(name) and environment[name] != BLOCKED_URL
    ]
    variables.update(dict.fromkeys(ENDPOINTS_EVERYWHERE, BLOCKED_URL))
    _block(profiles, variables)
    own = _own(profiles, variables)
    notes += [
        f"{name} is your own setting, and is left as it is: what goes there is not refused"
        for name in own
    ]
    notes += [
        f"{one.name} may still report: its profile has no [refuse], and not all of its channels "
        "can be blocked"
        for one in profiles
        if not one.refuse and any([not channel.counted for channel in one.channels.blocked])
    ]
    return Opened(_loopback_past_proxies(variables), {}, tuple(notes), own)


def blocked(
    profiles: "Sequence[Profile]", environment: "Mapping[str, str]", off: "Sequence[Profile]" = ()
) -> Opened:
    """Return the environment in which what cannot be held is blocked.

    Nothing more is refused, but for the programs that are `off`.
    """
    variables = dict(environment)
    for profile in profiles:
        variables.update(profile.refuse if profile in off else profile.blocked)
    _block(profiles, variables)
    own = _own(profiles, variables)
    return Opened(_loopback_past_proxies(variables), {}, (), own)


def held(
    profiles: "Sequence[Profile]",
    environment: "Mapping[str, str]",
    gate: "Gate",
    off: "Sequence[Profile]" = (),
) -> Opened:
    """Return the environment in which the known programs report to the gate, and nowhere else.

    Args:
        profiles: what is known. Where two of them take the same variable, it is the first one's.
        environment: the environment so far.
        gate: where to.
        off: those of the profiles whose programs report to nobody, for the user has said no to
            them. A variable that they share with another program is that program's.
    """
    variables = dict(environment)
    for profile in off:
        variables.update(profile.refuse)
    _block(off, variables)
    profiles = [one for one in profiles if one not in off]
    upstreams: dict[str, str] = {}
    notes: list[str] = []
    taken: dict[str, str] = {}
    for profile in profiles:
        channels = profile.channels
        for name, value in channels.also.items():
            variables.setdefault(name, value)
        variables.update(channels.blocking)
        for name, quieter in channels.levels.items():
            level = environment.get(name, "")
            variables[name] = quieter.get(level, level)
        notes += _calls(profile, gate, variables, upstreams)
        if not channels.variable:
            continue
        if channels.variable in taken:
            notes.append(
                f"{channels.variable} is taken by two profiles: what comes in by it is noted as "
                f"{taken[channels.variable]}'s, not as {profile.name}'s"
            )
            continue
        taken[channels.variable] = profile.name
        own = environment.get(channels.variable, "")
        upstream, problems = _upstream(channels.variable, own, channels.upstream)
        upstreams[profile.name], path = _parted(upstream, channels)
        variables[channels.variable] = _address(profile, gate, variables) + path
        notes += problems
    own_names = tuple([name for name in _own(profiles, environment) if name not in taken])
    notes += [
        f"{name} is your own setting, and is left as it is: what goes there is not intercepted"
        for name in own_names
    ]
    return Opened(_loopback_past_proxies(variables), upstreams, tuple(notes), own_names, gate)


def _calls(
    profile: "Profile", gate: "Gate", variables: "dict[str, str]", upstreams: "dict[str, str]"
) -> "list[str]":
    """Point to the gate what is counted there, or is a call; return what the user is told."""
    notes: list[str] = []
    for one in profile.channels.blocked:
        own = variables.get(one.counted, "") if one.counted else ""
        if one.counted:
            variables[one.counted] = gate.blocked_address
        if one.call:
            # CloudQuery calls in plaintext unless the port is this one.
            scheme = "https" if own.endswith(":443") else "http"
            address = f"{scheme}://{own}" if own else ""
            upstreams[one.call], problems = _upstream(one.counted, address, one.upstream)
            notes += problems
    return notes


def _address(profile: "Profile", gate: "Gate", variables: "dict[str, str]") -> str:
    """Return where a program sends to; its headers show the secret from now on, if it has any."""
    channels = profile.channels
    url = gate.url_for(profile.name)
    # A place of the user's own would get them as well.
    if not channels.headers or any([variables.get(one) for one in channels.own]):
        return url
    _add_header(variables, channels.headers, gate.header_for(profile.name))
    is_grpc = any([variables.get(one) == "grpc" for one in channels.transports])
    return url.rpartition("/")[0] if is_grpc else url


def _add_header(variables: "dict[str, str]", names: "Sequence[str]", header: str) -> None:
    """Add a header to what variables of headers hold; the first is for what the others leave out.

    A variable that two profiles take shows the first one's, as with addresses.
    """
    general = variables.get(names[0], "") if names else ""
    for name in names:
        own = variables.get(name) or general
        if header.partition("=")[0] not in own:
            variables[name] = f"{own},{header}" if own else header


def _parted(upstream: str, channels: "Channels") -> "tuple[str, str]":
    """Return what is put before a request's path, and the path that the program is given.

    Where its variable holds the whole of an address, the program asks for just that.
    """
    if channels.form != WHOLE_URL:
        return upstream, ""
    scheme, separator, rest = (upstream or channels.upstream).partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host}" if upstream else "", f"{slash or '/'}{path}"


def _upstream(variable: str, own: str, otherwise: str) -> "tuple[str, list[str]]":
    """Return where things go after a yes, and what the user is told of their own setting."""
    if not own:
        return otherwise, []
    problem = upstream_problem(own)
    if problem is None:
        return own, [
            f"{variable} is set: what is bound for it is intercepted, and goes there if you send it"
        ]
    problems = (
        f"{variable} is set to an address that nothing can be sent to: {problem}. "
        "What was bound for it is intercepted, and stays on this machine"
    )
    return "", [problems]


def upstream_problem(url: str) -> "str | None":
    """Say why nothing could ever be sent to an upstream; None if it can be."""
    from ..consent.endpoint import endpoint_problem

    problem = endpoint_problem(url)
    if problem is None and ("?" in url or "#" in url):
        return "it has a query or a fragment, and paths are put behind it"
    return problem


def _own(profiles: "Sequence[Profile]", variables: "Mapping[str, str]") -> "tuple[str, ...]":
    """Return the user's own channels that are open in an environment."""
    names = dict.fromkeys([name for one in profiles for name in one.channels.own])
    return tuple([name for name in names if variables.get(name) not in {None, "", BLOCKED_URL}])


def _endpoints(profiles: "Sequence[Profile]") -> "list[str]":
    """Return the variables that say where to."""
    return [one.channels.variable for one in profiles if one.channels.variable]


def _block(profiles: "Sequence[Profile]", variables: "dict[str, str]") -> None:
    variables.update(dict.fromkeys(_endpoints(profiles), BLOCKED_URL))
    for profile in profiles:
        for one in profile.channels.blocked:
            if one.counted:
                variables[one.counted] = BLOCKED_ADDRESS


def _loopback_past_proxies(variables: "dict[str, str]") -> "dict[str, str]":
    """Keep this machine's own address from a proxy, to which some clients send even loopback.

    Each spelling keeps what it says. One alone is heeded by every client where the other is not
    set; `*` alone means all, and with something beside it curl and Python take it for a name.
    """
    if not any([name.upper() in _PROXIES and variables[name] for name in variables]):
        return variables
    spellings = [name for name in ("NO_PROXY", "no_proxy") if name in variables]
    for name in spellings or ("NO_PROXY", "no_proxy"):
        listed = variables.get(name, "")
        names = [one.strip() for one in listed.split(",")]
        if listed.strip() != "*" and _LOOPBACK not in names:
            variables[name] = f"{listed},{_LOOPBACK}".lstrip(",")
    return variables
