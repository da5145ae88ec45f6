"""Carry variables through the prefixes of a command line that drop or change them.

`env -i` and `env NAME=…` do, `sudo` and `doas` give their program an environment of its own. Pure,
and loaded only where one of them is there.
"""

from .prefixes import DROPPING, ELSEWHERE, layers, plain_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CHANGING = DROPPING | {"env"}


def carried(
    command: "Sequence[str]", variables: "Mapping[str, str]"
) -> "tuple[list[str], tuple[str, ...]]":
    """Return a command line that gives these variables to its program, and what to tell of it.

    Args:
        command: the whole command line.
        variables: what its program is to be started with, beside what the user has set.
    """
    carried_layers: list[str] = []
    notes: list[str] = []
    done = 0
    outer = layers(command)
    for layer in outer:
        if layer.in_script:
            if layer.name in _CHANGING or set(_names(layer.assigned)) & set(variables):
                notes.append(
                    f"{layer.name} is in a script here, and may change its program's "
                    "environment: whether that program reports anything is unknown"
                )
            continue
        own = layer.before[done:]
        done = len(layer.before)
        if layer.name == "env":
            own = _env(own, variables)
        elif layer.name == "sudo":
            own = _sudo(own, variables)
            notes.append(_told(layer.name, "--preserve-env"))
        elif layer.name == "doas":
            own = (*own, "env", *[f"{name}={value}" for name, value in variables.items()])
            notes.append(_told(layer.name, "env"))
        carried_layers += own
    innermost = outer[-1].rest[0] if outer else command[0]
    if plain_name(innermost) in ELSEWHERE:
        notes.append(
            f"{plain_name(innermost)} starts programs elsewhere, or with an environment of their "
            "own: what they report is neither intercepted nor refused here"
        )
    return [*carried_layers, *command[done:]], tuple(notes)


def _told(name: str, means: str) -> str:
    return (
        f"{name} gives its program an environment of its own: ours is passed on with {means}. "
        f"Where that is not allowed, {name} says so, and starts nothing"
    )


def _names(assigned: "Sequence[str]") -> "list[str]":
    return [one.partition("=")[0] for one in assigned]


def _env(own: "tuple[str, ...]", variables: "Mapping[str, str]") -> "tuple[str, ...]":
    """Let `env` neither change nor drop these variables."""
    kept: list[str] = []
    is_empty = False
    words = iter(own)
    for word in words:
        name = word.partition("=")[0]
        if word in {"-u", "--unset"}:
            unset = next(words, "")
            kept += [] if unset in variables else [word, unset]
        elif name == "--unset" or word.startswith("-u"):
            unset = word.partition("=")[2] if name == "--unset" else word[2:]
            kept += [] if unset in variables else [word]
        elif "=" not in word[1:] or name not in variables:
            kept.append(word)
        is_clump = word[:1] == "-" and word[1:2] != "-"
        is_empty |= word in {"-", "--ignore-environment"} or (is_clump and "i" in word)
    if is_empty:
        kept += [f"{name}={value}" for name, value in variables.items()]
    return tuple(kept)


def _sudo(own: "tuple[str, ...]", variables: "Mapping[str, str]") -> "tuple[str, ...]":
    """Let `sudo` keep these variables. By name: a command line can be read by everybody here."""
    kept = [own[0]]
    is_whole = False
    for word in own[1:]:
        is_whole |= word == "--preserve-env" or (
            word[:1] == "-" and word[1:2] != "-" and "E" in word and "=" not in word
        )
        if "=" not in word[1:] or word[:1] == "-" or word.partition("=")[0] not in variables:
            kept.append(word)
    if not is_whole:
        kept.insert(1, f"--preserve-env={','.join(variables)}")
    return tuple(kept)
