"""Read the usual prefixes of a command line: `env`, `nice`, `sudo`, `uv run`, `bash -c` and others.

Pure, and lean: a launcher reads a command line before it starts it (DESIGN §11).
"""

import os

from .records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_UV = (
    "--with --with-editable --with-requirements --python -p --project --directory --env-file "
    "--extra --no-extra --group --no-group --only-group --package --index --default-index "
    "--index-url -i --extra-index-url --find-links -f --cache-dir --config-file --color --from "
    "--refresh-package -P --upgrade-package -C --config-setting --link-mode --resolution "
    "--prerelease --index-strategy --keyring-provider --exclude-newer --constraints -c "
    "--overrides --torch-backend"
)
_SUDO = (
    "-C --close-from -D --chdir -g --group -h --host -p --prompt -R --chroot -r --role "
    "-T --command-timeout -t --type -U --other-user -u --user"
)
# The options whose value is a word of its own, and how many words stand before the program.
_PREFIXES = {
    "aws-vault exec": ("-d --duration -n -t --mfa-token --region", 1),
    "asdf exec": ("", 0),
    "bundle exec": ("", 0),
    "caffeinate": ("-t -w", 0),
    "chronic": ("", 0),
    "chrt": ("-T --sched-runtime -P --sched-period -D --sched-deadline", 1),
    "conda run": ("-n --name -p --prefix --cwd", 0),
    "direnv exec": ("", 1),
    "doas": ("-C -a -u", 0),
    "doppler run": ("-c --config -p --project -t --token --fallback --mount", 0),
    "env": ("-u --unset -C --chdir -P -a --argv0", 0),
    "faketime": ("", 1),
    "firejail": ("", 0),
    "hatch run": ("", 0),
    "ionice": ("-c --class -n --classdata -p --pid", 0),
    "mise exec": ("-C --cd -E --env -j --jobs", 0),
    "mise x": ("-C --cd -E --env -j --jobs", 0),
    "nice": ("-n --adjustment", 0),
    "nohup": ("", 0),
    "npm exec": ("-p --package -w --workspace", 0),
    "npx": ("-p --package -w --workspace", 0),
    "op run": ("--env-file --account", 0),
    "pdm run": ("-p --project", 0),
    "pipenv run": ("", 0),
    "pipx run": ("--spec --python --index-url -i --pip-args --with", 0),
    "poetry run": ("-C --directory -P --project", 0),
    "rye run": ("-p --pyproject", 0),
    "setpriv": ("--reuid --regid --groups --inh-caps --ambient-caps --bounding-set", 0),
    "setsid": ("", 0),
    "stdbuf": ("-i --input -o --output -e --error", 0),
    "strace": ("-E -I -O -P -S -U -X -a -b -e -o -p -s -u", 0),
    "sudo": (_SUDO, 0),
    "taskset": ("", 1),
    "time": ("-f --format -o --output", 0),
    "timeout": ("-k --kill-after -s --signal", 1),
    "unbuffer": ("", 0),
    "uv run": (_UV, 0),
    "uv tool run": (_UV, 0),
    "uvx": (_UV, 0),
}
_MODULE_BY = {"uv run": ("-m", "--module")}
_ASSIGNING = {"env", "sudo"}
_SPLITTING = ("-S", "--split-string")
_SHELLS = {"ash", "bash", "dash", "fish", "ksh", "mksh", "sh", "zsh"}
_SHELLS_VALUED = {"--rcfile", "--init-file"}
_NOT_SIMPLE = frozenset("\n;&|<>()$`\\{}*?[]~#!")
_DEEPEST = 16

DROPPING = frozenset({"doas", "sudo"})
"""The prefixes that give their program an environment of its own."""

ELSEWHERE = frozenset(
    {
        *("at", "batch", "docker", "flatpak", "kubectl", "machinectl", "nerdctl", "nsenter"),
        *("osascript", "podman", "pkexec", "run0", "runuser", "snap", "ssh", "su", "systemd-run"),
        *("toolbox", "vagrant", "wsl"),
    }
)
"""Programs that start others with an environment of their own, or on another machine."""


@record(frozen=True)
class Layer:
    """One prefix of a command line, and what it starts.

    Attributes:
        name: the prefix: `env`, `uv run`, `sh`.
        before: the words that stand before the rest; the first ones belong to the layers outside.
        rest: the command line that it starts.
        assigned: the variables that it sets, as they stand there.
        in_script: whether the rest stands in one of the words.
    """

    name: str
    before: "tuple[str, ...]"
    rest: "tuple[str, ...]"
    assigned: "tuple[str, ...]" = ()
    in_script: bool = False


def plain_name(word: str) -> str:
    """Return the name of a program's file without its folder and `.exe`."""
    return os.path.basename(word).removesuffix(".exe")  # noqa: PTH119  # lean


def layers(command: "Sequence[str]") -> "list[Layer]":
    """Return the prefixes of a command line, from the outermost to the innermost."""
    listed: list[Layer] = []
    before: tuple[str, ...] = ()
    rest, in_script = tuple(command), False
    while rest and len(listed) < _DEEPEST:
        layer = _layer(rest)
        if layer is None or not layer.rest:
            break
        in_script = in_script or layer.in_script
        before = (*before, *layer.before)
        listed.append(Layer(layer.name, before, layer.rest, layer.assigned, in_script))
        rest = layer.rest
    return listed


def _layer(words: "tuple[str, ...]") -> "Layer | None":
    name = plain_name(words[0])
    if name in _SHELLS:
        return _shell(name, words)
    for length in (1, 2, 3):
        key = " ".join([name, *words[1:length]])
        if len(words) > length and key in _PREFIXES:
            return _prefix(key, length, words)
    return None


def _prefix(key: str, at: int, words: "tuple[str, ...]") -> "Layer | None":
    options, operands = _PREFIXES[key]
    valued = frozenset(options.split())
    while at < len(words) and words[at].startswith("-"):
        word = words[at]
        if word == "--":
            at += 1
            break
        if word.partition("=")[0] in _MODULE_BY.get(key, ()):
            return Layer(key, words[:at], ("python", "-m", *words[at + 1 :]), in_script=True)
        if key == "env" and (split := _split_string(words, at)) is not None:
            return _assigned(key, words, split, at, in_script=True)
        at += 2 if _takes_next(word, valued) else 1
    if key in _ASSIGNING:
        return _assigned(key, words, words[at:], at, in_script=False)
    at += operands
    return Layer(key, words[:at], words[at:])


def _split_string(words: "tuple[str, ...]", at: int) -> "tuple[str, ...] | None":
    """Return what `env -S` makes of its text and what follows; None where there is none."""
    word = words[at]
    option, is_long, text = word.partition("=")
    if option == _SPLITTING[1]:
        text, after = (text, at + 1) if is_long else (" ".join(words[at + 1 : at + 2]), at + 2)
    elif not word.startswith("--") and "S" in word:
        text = word.partition("S")[2]
        text, after = (text, at + 1) if text else (" ".join(words[at + 1 : at + 2]), at + 2)
    else:
        return None
    return (*(simple_command(text) or ()), *words[after:])


def _assigned(
    key: str, words: "tuple[str, ...]", rest: "tuple[str, ...]", at: int, *, in_script: bool
) -> Layer:
    count = 0
    while count < len(rest) and "=" in rest[count][1:]:
        count += 1
    before = words if in_script else words[: at + count]
    return Layer(key, before, rest[count:], rest[:count], in_script)


def _takes_next(word: str, valued: "frozenset[str]") -> bool:
    """Tell whether the value of an option is the word that follows it."""
    if word.startswith("--"):
        return word in valued
    for at, letter in enumerate(word[1:], 2):
        if f"-{letter}" in valued:
            return at == len(word)
    return False


def _shell(name: str, words: "tuple[str, ...]") -> "Layer | None":
    at, is_script = 1, False
    while at < len(words) and words[at][:1] in {"-", "+"} and len(words[at]) > 1:
        word = words[at]
        if word in {"--", "--command"}:
            is_script = is_script or word != "--"
            at += 1
            break
        is_script = is_script or (word[0] == "-" and word[1] != "-" and "c" in word)
        is_valued = word in _SHELLS_VALUED or (word[1] != "-" and word[-1] in "oO")
        at += 2 if is_valued else 1
    inner = simple_command(words[at]) if is_script and at < len(words) else None
    if not inner:
        return None
    count = 0
    while count < len(inner) and "=" in inner[count][1:]:
        count += 1
    rest = inner[count:]
    if rest[:1] in {("exec",), ("command",)}:
        rest = rest[1:]
    return Layer(name, words, rest, inner[:count], in_script=True)


def simple_command(script: str) -> "tuple[str, ...] | None":
    """Return the words of a script that is one simple command; None for anything else."""
    words: list[str] = []
    word: str | None = None
    quote = ""
    for character in script.strip():
        if quote:
            if character == quote:
                quote = ""
            elif quote == '"' and character in "$`\\":
                return None
            else:
                word = (word or "") + character
        elif character in "'\"":
            quote, word = character, word or ""
        elif character in " \t":
            words += [] if word is None else [word]
            word = None
        elif character in _NOT_SIMPLE:
            return None
        else:
            word = (word or "") + character
    return None if quote else (*words, *([] if word is None else [word]))
