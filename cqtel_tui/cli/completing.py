"""Completion for bash, zsh and fish, made from the commands themselves."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .parser import parser

if TYPE_CHECKING:
    from collections.abc import Iterator


def completion(arguments: argparse.Namespace) -> int:
    """Print the completion for a shell, to be evaluated in it."""
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[arguments.shell]())
    return 0


def _commands() -> Iterator[tuple[str, str, list[str]]]:
    """Return each command, what it does, and the words that can follow it."""
    for action in parser()._actions:  # noqa: SLF001  # argparse has no other way to list them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}  # noqa: SLF001
            for name, command in action.choices.items():
                words: list[str] = []
                for option in command._actions:  # noqa: SLF001
                    words += option.option_strings
                    if option.choices and not option.option_strings:
                        words += map(str, option.choices)
                yield name, helps[name], words


def _bash() -> str:
    cases = "\n".join(f'    {name}) words="{" ".join(words)}" ;;' for name, _, words in _commands())
    names = " ".join(name for name, _, _ in _commands())
    return f"""_cq_telemetry() {{
  local words
  case "${{COMP_WORDS[1]}}" in
{cases}
    *) words="{names}" ;;
  esac
  [ "$COMP_CWORD" -eq 1 ] && words="{names}"
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _cq_telemetry cq-telemetry"""


def _zsh() -> str:
    """Return what bash has, for zsh; where `compinit` has not run, it may come until a prompt."""
    return f"""_cq_telemetry_register() {{
  add-zsh-hook -d precmd _cq_telemetry_register
  (( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit -D -i }}
  autoload -Uz bashcompinit && bashcompinit
  complete -o default -F _cq_telemetry cq-telemetry
}}
{_bash().rpartition(chr(10))[0]}
autoload -Uz add-zsh-hook
if (( $+functions[compdef] )); then
  _cq_telemetry_register
else
  add-zsh-hook precmd _cq_telemetry_register
fi"""


def _fish() -> str:
    lines = ["complete -c cq-telemetry -f"]
    for name, about, words in _commands():
        quoted = about.replace("'", "\\'")
        lines.append(f"complete -c cq-telemetry -n __fish_use_subcommand -a {name} -d '{quoted}'")
        if words:
            lines.append(
                f"complete -c cq-telemetry -n '__fish_seen_subcommand_from {name}' "
                f"-a '{' '.join(words)}'"
            )
    return "\n".join(lines)
