"""Make every theme readable, and keep the one that was chosen.

WCAG AA asks for a contrast of 4.5 to 1 between a text and what is behind it. Of Textual's themes,
most miss it somewhere: the colour of such a text is moved towards black or white until it has it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from textual.color import BLACK, WHITE, Color, ColorParseError

from ..consent.foreign import refuse_foreign
from ..files import make_folder, replace
from ..formats.bare_json import parse_object

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_CONTRAST = 4.5
FILE_NAME = "ui.json"
QUIET = "quiet"
"""The variable of less important text."""
ON_PAGE = ("background", "surface", "panel")
BACKGROUNDS: dict[str, Sequence[str]] = {
    "foreground": ON_PAGE,
    QUIET: ON_PAGE,
    "text-success": ON_PAGE,
    "text-warning": ON_PAGE,
    "text-error": ON_PAGE,
    "text-primary": ON_PAGE,
    "footer-foreground": ("footer-background",),
    "footer-key-foreground": ("footer-background",),
    "block-cursor-foreground": ("block-cursor-background",),
    "block-cursor-blurred-foreground": ("block-cursor-blurred-background",),
}
"""The variables of texts, and what each of them may lie on."""
_STEPS = 20
_QUIET_SHARE = 0.7
_MAX_BYTES = 4096


def luminance(color: Color) -> float:
    """Return the relative luminance of a colour, as WCAG 2 has it."""
    parts = (part / 255 for part in color.rgb)
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]  # noqa: PLR2004
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Color, other: Color) -> float:
    """Return the contrast of two colours, from 1 to 21, as WCAG 2 has it."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def readable(variables: dict[str, str]) -> dict[str, str]:
    """Return a theme's variables with texts that can be read; those of a terminal's own as it is.

    Args:
        variables: the colours of a theme by their names.
    """
    page = _color(variables.get("background", ""))
    if page is None:
        return {**variables, QUIET: variables.get("foreground", "ansi_default")}
    changed = dict(variables)
    changed[QUIET] = page.blend(_on(variables["foreground"], page), _QUIET_SHARE).hex
    for name, places in BACKGROUNDS.items():
        behind = [_on(variables[place], page) for place in places if place in variables]
        text = changed.get(name)
        if text is not None and behind:
            changed[name] = _raised(text, behind)
    return changed


def _raised(text: str, behind: Sequence[Color]) -> str:
    """Return a colour for a text that can be read on all of these."""
    for target in (WHITE, BLACK):
        for step in range(_STEPS + 1):
            colors = [_on(text, each).blend(target, step / _STEPS) for each in behind]
            if all(contrast(c, b) >= LEAST_CONTRAST for c, b in zip(colors, behind, strict=True)):
                first = colors[0]
                if all(contrast(first, each) >= LEAST_CONTRAST for each in behind):
                    return first.hex if step or _color(text) is None else text
    return (WHITE if luminance(behind[0]) < 0.18 else BLACK).hex  # noqa: PLR2004  # half way


def _on(color: str, behind: Color) -> Color:
    """Return how a colour looks on another."""
    if color.startswith("auto"):
        share = float(color.partition(" ")[2].rstrip("%") or 100) / 100
        return behind.blend(behind.get_contrast_text(1.0).with_alpha(1.0), share)
    parsed = _color(color) or behind
    return behind.blend(parsed.with_alpha(1.0), parsed.a)


def _color(text: str) -> Color | None:
    try:
        color = Color.parse(text)
    except ColorParseError:
        return None
    return None if color.ansi is not None else color


def kept_theme(config: str) -> str:
    """Return the name of the theme that was chosen; empty where none was."""
    try:
        with Path(config, FILE_NAME).open("rb") as file:
            content = parse_object(file.read(_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return ""
    name = content.get("theme")
    return name if isinstance(name, str) else ""


def keep_theme(config: str, name: str) -> None:
    """Keep the theme that was chosen.

    Raises:
        OSError: it cannot be written.
        CqtelError: it is another user's folder.
    """
    refuse_foreign(config)
    make_folder(config)
    replace(Path(config, FILE_NAME), f"{json.dumps({'theme': name})}\n".encode())
