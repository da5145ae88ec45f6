"""Say what our signs look like where a terminal has ASCII alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIKE = {
    "-": "─━═╌–—−·",  # noqa: RUF001  # as they are drawn
    "|": "│┃║▌▐▏▎▍",
    "+": "╭╮╰╯┌┐└┘├┤┬┴┼╞╡✓",
    "#": "█▉▊▋▇▆▅■",
    "=": "▄▃",
    "_": "▂▁",
    ":": "░▒▓",
    "x": "×✗",  # noqa: RUF001  # as they are drawn
    "*": "●•",
    ">": "▶▸→",
    "<": "◀←",
    "v": "▾▼↓",
    "^": "▴▲↑",
    ".": "…",
    '"': "“”„",
    "'": "‘’",  # noqa: RUF001  # as they are drawn
}
_TABLE = {ord(sign): letter for letter, signs in _LIKE.items() for sign in signs}
"""Each sign that we draw with, beside the letter that is as wide."""


def has_only_ascii(environ: Mapping[str, str]) -> bool:
    """Tell whether a terminal is said to have no letters but those of ASCII.

    The console of Linux has 256 or 512 letters, and not those that charts are made of. A locale
    that is not set says nothing: most terminals have all letters.

    Args:
        environ: the environment's variables.
    """
    if environ.get("TERM") == "linux":
        return True
    locale = next((v for n in ("LC_ALL", "LC_CTYPE", "LANG") if (v := environ.get(n))), "")
    if not locale:
        return False
    name, _, letters = locale.partition("@")[0].partition(".")
    if not letters:
        return name in {"C", "POSIX"}
    return letters.replace("-", "").lower() != "utf8"


def in_ascii(text: str) -> str:
    """Return a text in ASCII, as long as it was; what has no likeness is a question mark."""
    if text.isascii():
        return text
    return text.translate(_TABLE).encode("ascii", "replace").decode("ascii")
