"""What may leave in one run: by the profile, and by what is known of the machine and command."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from ..record.plugins import installed_plugins
from .names import Names
from .pseudonyms import Pseudonyms
from .redaction import Rules
from .surroundings import surroundings_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .channels import Channels


def rules_for(  # noqa: PLR0913  # each by name
    channels: Channels,
    key: bytes,
    *,
    debug: bool,
    project: str,
    arguments: Sequence[str] = (),
    allowed: Iterable[str] = (),
) -> Rules:
    """Return the rules for what one run of one program reports.

    Args:
        channels: how it reports.
        key: random bytes of this run.
        debug: whether error texts may stay.
        project: where it was started; its folder of downloaded plugins says which are published.
        arguments: those of the command. They are compared with, and written nowhere.
        allowed: words of the command line that may leave, such as operations.
    """
    here = surroundings_here()
    folders = (PurePath(path).name for path in (*here.homes, here.directory, project))
    return Rules(
        channels.fields,
        Pseudonyms(key),
        debug=debug,
        never=channels.never,
        duration_unit=channels.duration_unit,
        names=Names(
            channels.words,
            arguments=arguments,
            allowed=allowed,
            of_here=(*here.users, *here.hosts, *folders),
        ),
        published=published_plugins(project),
        arguments=tuple(arguments),
        protocol=channels.protocol,
    )


def published_plugins(project: str, named: Sequence[str] = ()) -> frozenset[str]:
    """Return the names of the plugins that a registry gave to a project, as `cloudquery/aws`.

    A program downloads what it finds in a registry into a folder of its own, by organisation and
    name. What was named in a command or a spec alone is anybody's word.

    Args:
        project: where it was started.
        named: the folders that it was told to keep its files in.
    """
    plugins, _ = installed_plugins(project, named)
    # kind/organisation/name@version
    return frozenset(plugin.partition("/")[2].partition("@")[0] for plugin in plugins)
