"""What is known of programs that we did not write: data, shipped or the user's own.

Loaded before a program starts, and lean for that (DESIGN §11).
"""

import os

from .channels import CLOUDQUERY as CLOUDQUERY_CHANNELS
from .records import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .channels import Channels

FOLDER = "profiles"
SUFFIX = ".toml"


@record(frozen=True)
class Profile:
    """What is known of one program.

    Attributes:
        name: its name, a plain one.
        programs: the names of its binaries.
        operations: the words that name an operation; no other word is ever recorded. Without any,
            each run is one operation.
        silent: options with which no operation runs at all.
        valued: options whose value is a word of its own.
        refuse: variables that turn its telemetry off.
        blocked: variables that block all its channels, where nothing of them can be held.
        channels: how it reports, and what of it can be held.
        answer: what it prints for `--version`, a regular expression with the version as its only
            group; empty where it is not asked.
        built: what it prints for the argument `version`, a regular expression whose groups
            `version` and `date` are its version and when it was built; empty where it is not asked.
        built_before: the first number of the first version that is not asked that.
        settings: how the variables begin that set its options; it is asked that without them.
        module: the Python package that brings the binary, run with `python -m`; empty for none.
        binary: where in that package the binary lies.
        level: the option that decides over its own telemetry, above all variables; empty for none.
        quiet: the value that turns it off.
        levels: what its level becomes where what it reports is held; `quiet` for all others.
        ours: variables that we answer to in its place, so that it is not given them.
        folders: options whose value is a folder for its files, which may have a say in its place.
        folder_variables: variables that name such a folder.
        lacks_options_since: the first number of the first version that is known not to have the
            three options of ours; 0 where none is. Only such a version is not given them.
    """

    name: str
    programs: "frozenset[str]"
    operations: "frozenset[str]"
    silent: "frozenset[str]"
    valued: "frozenset[str]"
    refuse: "Mapping[str, str]"
    blocked: "Mapping[str, str]"
    channels: "Channels"
    answer: str = ""
    built: str = ""
    built_before: int = 0
    settings: str = ""
    module: str = ""
    binary: str = ""
    level: str = ""
    quiet: str = ""
    levels: "Mapping[str, str]" = {}  # noqa: RUF012  # never changed
    ours: "frozenset[str]" = frozenset()
    folders: "frozenset[str]" = frozenset()
    folder_variables: "frozenset[str]" = frozenset()
    lacks_options_since: int = 0


CLOUDQUERY = Profile(
    name="cloudquery",
    programs=frozenset({"cloudquery"}),
    module="cloudquery",
    binary="bin/cloudquery",
    operations=frozenset(
        {
            # release 6
            *("addon", "init", "install", "login", "logout", "migrate", "plugin", "switch"),
            *("sync", "tables", "test-connection", "validate-config"),
            # the releases of 2021 and 2022
            *("apply", "drift", "fetch", "gen", "generate", "history", "policy", "provider"),
            "query",
        }
    ),
    # Without an operation `-v` prints the version today; before one it was `--verbose` in 2021.
    silent=frozenset(
        {
            *("-h", "--help", "--version", "help", "options", "version"),
            *("completion", "__complete", "__completeNoDesc"),
        }
    ),
    # All that a release has ever had, in whichever command: what follows one is its value.
    valued=frozenset(
        {
            # the program as a whole
            *("--color", "--config", "--cq-dir", "--data-dir", "--dist-dir", "--driver", "--dsn"),
            *("--assets-dir", "--docs-dir", "--invocation-id", "--license", "--path"),
            *("--plugin-dir", "--policy", "--policy-dir", "--profile", "--reattach-providers"),
            *("--registry", "--team", "-t", "--ui-dir"),
            # what it logs and reports
            *("--log-directory", "--log-file", "--log-file-name", "--log-filename"),
            *("--log-format", "--log-level", "--log-max-age", "--log-max-backups"),
            *("--log-max-size", "--logDirectory", "--logFile", "--max-age", "--max-backups"),
            *("--max-size", "--maxAge", "--maxBackups", "--maxSize", "--sentry-dsn"),
            *("--telemetry-apikey", "--telemetry-endpoint", "--telemetry-level"),
            # one operation or another
            *("--account-ids", "--destination", "--drift-config", "--filter", "--format"),
            *("--last-update", "--local-path", "--output", "-o", "--output-dir", "--shard"),
            *("--source", "--spec-path", "--sub-path", "--summary-location"),
            *("--tables-metrics-location", "--target", "--tf-backend-names", "--tf-mode"),
            *("--tf-provider", "--url", "-u", "-D", "-O", "-U"),
        }
    ),
    level="--telemetry-level",
    quiet="none",
    refuse={"CQ_NO_TELEMETRY": "1", "CQ_TELEMETRY_LEVEL": "none", "DO_NOT_TRACK": "1"},
    # The releases of 2021 and 2022 know no level.
    blocked={"CQ_NO_TELEMETRY": "1", "CQ_TELEMETRY_LEVEL": "none"},
    # Those releases would empty the cq-telemetry.txt that is ours to write.
    ours=frozenset({"CQ_DEBUG_TELEMETRY", "CQ_INSPECT_TELEMETRY"}),
    answer=r"cloudquery version v?(\d[0-9A-Za-z.+-]*)",
    # The releases of 2021 and 2022; those that are made at home say "unknown", or today.
    built=r"^Version: v?(?P<version>\S+)\s+^Commit: .*\s+^Date: (?P<date>\S+)\s*$",
    built_before=1,
    settings="CQ_",
    channels=CLOUDQUERY_CHANNELS,
    levels=CLOUDQUERY_CHANNELS.levels["CQ_TELEMETRY_LEVEL"],
    folders=frozenset({"--cq-dir", "--data-dir"}),
    folder_variables=frozenset({"CQ_DATA_DIR"}),  # the releases of 2022
    # The releases of 2021 and 2022 had them.
    lacks_options_since=6,
)


REFUSED_EVERYWHERE = {
    "DO_NOT_TRACK": "1",
    "OTEL_SDK_DISABLED": "true",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}
"""What any program is started with that is to report nothing, whatever it is."""

ENDPOINTS_EVERYWHERE = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    "OTEL_EXPORTER_ZIPKIN_ENDPOINT",
)
"""Where programs report by OpenTelemetry, many of which do not heed what turns that off."""


def known_profiles(config: "str | None") -> "tuple[Profile, ...]":
    """Return all profiles: those that are shipped, and the user's own.

    Args:
        config: the user's configuration folder; None where there is no telling where it is.

    Raises:
        ProfileError: the user's own cannot be relied on.
    """
    from .shipped import PROFILES

    try:
        names = os.listdir(f"{config}/{FOLDER}") if config else []  # noqa: PTH208  # lean
    except FileNotFoundError:
        return PROFILES
    except OSError:
        names = [SUFFIX]  # `read_profiles` says what is wrong
    if not any([name.endswith(SUFFIX) for name in names]):
        return PROFILES
    from .profile_files import read_profiles

    return (*PROFILES, *read_profiles(config or ""))


OTHER_OPERATION = "other"


@record(frozen=True)
class Invocation:
    """A command line of a program that we know.

    Attributes:
        profile: the program's.
        prefix: what starts it: the program, or an interpreter, `-m` and a module.
        arguments: its own arguments.
        before: what stands before all that: `env`, `nice`, `sudo` …
        in_script: whether it stands in a script or a text that is one of those words, so that
            nothing of it can be changed.
    """

    profile: Profile
    prefix: "tuple[str, ...]"
    arguments: "tuple[str, ...]"
    before: "tuple[str, ...]" = ()
    in_script: bool = False

    @property
    def through_python(self) -> bool:
        """Whether it is run as `python -m`."""
        return len(self.prefix) > 1

    @property
    def operation(self) -> "str | None":
        """The operation it asks for; `other` for one not known, None if none runs at all."""
        own = self.arguments
        words = iter(own[: own.index("--")] if "--" in own else own)
        for word in words:
            if word in self.profile.silent:
                return None
            if word in self.profile.valued or (word and word == self.profile.level):
                next(words, None)
            elif not word.startswith("-"):
                if any([rest in {"-h", "--help"} for rest in words]):
                    return None
                return word if word in self.profile.operations else OTHER_OPERATION
        # A program that has operations prints its help.
        return None if self.profile.operations else OTHER_OPERATION
