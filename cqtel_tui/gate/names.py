"""Which names may leave: what has the form of a name may still be the name of somebody's machine.

Of a program that is known, names are made of the words on its list, and of no others. Of another
one, what is left out is what tells of this machine, of its user or of the command, and what has the
shape of a host's name, an address, a key or an id.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from ..review.known_shapes import SHAPES
from ..review.needles import looks_telling
from ..review.shapes import ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_KNOWN = "not a name that this program is known to use"
ARGUMENT = "it contains a value from the command line"
OF_HERE = "it names this machine, its user or a folder of theirs"
A_HOST = "it looks like a host name"
AN_ID = "it looks like an ID"
A_SECRET = "it looks like an address or a key"  # noqa: S105  # words for the user

_LEAST_PART = 3
_LEAST_ANYWHERE = 6
"""Characters of a text that is looked for within words too."""
_REMEMBERED = 20_000
_SEPARATORS = re.compile(r"[^0-9a-z]+")
_PARTS = re.compile(r"[\s=,;:/\\|&?#@\"'\[\](){}<>]+")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^A-Za-z0-9 ._:/-]")
_ID = re.compile(
    r"(?=[0-9a-f]*[0-9])(?<![0-9a-z])[0-9a-f]{16,}(?![0-9a-z])|[0-9a-f]{8}-[0-9a-f]{4}-"
)
_DOMAINS = "|".join(
    (
        *("com", "net", "org", "edu", "gov", "mil", "int", "io", "dev", "app", "cloud", "tech"),
        *("info", "biz", "site", "online", "xyz", "systems", "network", "company", "agency"),
        *("arpa", "example", "invalid", "test", "localhost", "local", "localdomain", "lan"),
        *("home", "corp", "internal", "intranet", "private", "onion", "svc"),
    )
)
_COUNTRIES = "|".join(
    (
        *("ar", "at", "au", "be", "br", "ca", "ch", "cn", "co", "cz", "de", "dk", "es", "eu"),
        *("fi", "fr", "gr", "hk", "hu", "ie", "il", "in", "it", "jp", "kr", "lu", "mx", "nl"),
        *("no", "nz", "pl", "pt", "ro", "ru", "se", "sg", "sk", "tr", "tw", "ua", "uk", "us"),
        *("vn", "za"),
    )
)
_HOST = re.compile(
    rf"(?:^|[^0-9a-z.-])(?:"
    rf"(?:[0-9a-z-]{{1,63}}\.)+(?:{_DOMAINS})"
    rf"|(?:[0-9a-z-]{{1,63}}\.){{2,}}(?:{_COUNTRIES})"
    r"|(?:desktop|laptop|win|pc|srv|vm)-(?=[a-z0-9]*[0-9])[a-z0-9]{5,15}"
    r"|(?:[0-9a-z-]*-)?ip-[0-9]{1,3}-[0-9]{1,3}-[0-9]{1,3}-[0-9]{1,3}[0-9a-z.-]*"
    r"|[0-9a-z.-]*(?:macbook|imac|thinkpad)[0-9a-z.-]*"
    r"|[0-9a-z]+s?-(?:laptop|desktop|pc|notebook|workstation|mbp)"
    r"|[0-9a-z-]*[0-9]{1,3}(?:[.-][0-9]{1,3}){3}"
    r")(?=$|[^0-9a-z-])"
)


class Names:
    """Tells which names may leave in one run.

    Args:
        words: what the names of a known program are made of, in lower case; none for another.
        arguments: those of the command.
        allowed: words of the command line that may leave all the same, such as operations.
        of_here: names of this machine and its user, and of their folders.
    """

    def __init__(
        self,
        words: Iterable[str] = (),
        *,
        arguments: Iterable[str] = (),
        allowed: Iterable[str] = (),
        of_here: Iterable[str] = (),
    ) -> None:
        self._words = frozenset(words)
        open_words = {_folded(word) for word in (*allowed, *self._words)}
        self._private = [(text, ARGUMENT) for text in _pieces(arguments) - open_words]
        here = {_folded(name) for name in of_here if looks_telling(name.lower())}
        self._private += [(text, OF_HERE) for text in here - open_words if len(text) >= _LEAST_PART]
        self._known: dict[str, str] = {}

    def problem(self, name: str, *, is_version: bool = False) -> str:
        """Say why a name may not leave; empty if it may.

        Args:
            name: of a program, an event, a span.
            is_version: whether it is a version instead, which no list has, and which may look like
                an address.
        """
        known = self._known.get(name)
        if known is None or is_version:
            known = self._problem(name, is_version=is_version)
            if not is_version and len(self._known) < _REMEMBERED:
                self._known[name] = known
        return known

    def _problem(self, name: str, *, is_version: bool) -> str:
        if self._words and not is_version:
            words = _WORDS.findall(name)
            fits = all(len(word) == 1 or word.lower() in self._words for word in words)
            return "" if fits else NOT_KNOWN
        if private := self._has_private(name):
            return private
        lower = name.lower()
        if not is_version and _HOST.search(lower):
            return A_HOST
        if _ID.search(lower):
            return AN_ID
        data = name.encode("utf-8", "replace")
        for shape in SHAPES:
            if is_version and shape.kind == ADDRESS:
                continue
            match = shape.pattern.search(lower.encode("utf-8", "replace") if shape.folded else data)
            if match and shape.accepts(match.string, match) is not None:
                return A_SECRET
        return ""

    def _has_private(self, name: str) -> str:
        folded = _folded(name)
        bounded = f" {folded} "
        for text, why in self._private:
            if f" {text} " in bounded or (len(text) >= _LEAST_ANYWHERE and text in folded):
                return why
        return ""


def is_value_of(text: str, arguments: Iterable[str]) -> bool:
    """Tell whether a text is a value from the command line, behind a registry's name or not."""
    name = _folded(text.rpartition("/")[2])
    return any(name == _folded(part.rpartition("/")[2]) for part in _values(arguments))


def _folded(text: str) -> str:
    """Return a text in lower case, with a space in the place of all that is no letter or digit."""
    return _SEPARATORS.sub(" ", text.lower()).strip()


def _values(arguments: Iterable[str]) -> set[str]:
    """Return the values of options and the other words, each whole and in the parts of a list."""
    values: set[str] = set()
    for argument in {text for one in arguments for text in (one, unquote_plus(one))}:
        option, is_pair, value = argument.partition("=")
        if option.startswith("--"):
            texts = [value] if is_pair else []
        elif option.startswith("-"):  # -n NAME, -n=NAME and -nNAME
            texts = [value] if is_pair else [argument[2:]]
        else:
            texts = [argument, value]
        values |= {part for text in texts for part in (text, *_PARTS.split(text)) if part}
    return values


def _pieces(arguments: Iterable[str]) -> set[str]:
    """Return what may be told of arguments: their values, and file names without their endings."""
    values = _values(arguments)
    pieces = {_folded(text) for one in values for text in (one, one.rpartition(".")[0])}
    return {piece for piece in pieces if len(piece) >= _LEAST_PART}
