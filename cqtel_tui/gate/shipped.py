"""The profiles that are shipped beside CloudQuery's: each was seen at work in the program itself.

Loaded before a program starts, and lean for that (DESIGN §11). What a program lets nobody point
elsewhere is blocked, by its own opt-out.
"""

from .channels import WHOLE_URL, Blocked, Channels
from .profiles import CLOUDQUERY, Profile

_HELP = frozenset({"-h", "--help", "--version", "help", "version"})
_MACHINE = "it says which machine it is"
_PROJECT = "it says which project it is"
_USER = "it says who you are"

# dlt 1.31: `DO_NOT_TRACK` is not heeded.
_DLT = Profile(
    name="dlt",
    programs=frozenset({"dlt"}),
    operations=frozenset(
        {"ai", "dashboard", "dataset", "deploy", "init", "pipeline", "render-docs", "schema"}
        | {"telemetry"}
    ),
    silent=_HELP,
    valued=frozenset(),
    refuse={"RUNTIME__DLTHUB_TELEMETRY": "false"},
    blocked={"RUNTIME__DLTHUB_TELEMETRY": "false"},
    channels=Channels(
        variable="RUNTIME__DLTHUB_TELEMETRY_ENDPOINT",
        form=WHOLE_URL,
        upstream="https://telemetry.scalevector.ai",
        protocol="rudderstack",
        fields={
            "destination_type": "name",
            "elapsed": "number",
            "event_category": "name",
            "event_name": "name",
            "success": "boolean",
        },
        never={
            "dataset_name_hash": _PROJECT,
            "default_schema_name_hash": _PROJECT,
            "destination_fingerprint": _PROJECT,
            "destination_name": "a name that you chose",
            "extract_data": "names that you chose",
            "pipeline_name_hash": _PROJECT,
            "run_context": "a name that you chose",
            "transaction_id": "an id of this run, which the event does not need",
        },
        duration_unit=1,
    ),
)

# AWS SAM CLI 1.170: `DO_NOT_TRACK` is not heeded.
_SAM_RUN = {
    "ci": "boolean",
    "commandName": "event",
    "debugFlagProvided": "boolean",
    "duration": "count",
    "exitCode": "count",
    "exitReason": "class name",
    "pyversion": "version",
    "requestId": "id",
    "samcliVersion": "version",
    "sessionId": "id",
}
_SAM = Profile(
    name="aws-sam-cli",
    programs=frozenset({"sam"}),
    operations=frozenset(
        {"build", "delete", "deploy", "docs", "init", "list", "local", "logs", "package"}
        | {"pipeline", "publish", "remote", "sync", "traces", "validate"}
    ),
    silent=_HELP | {"--info"},
    valued=frozenset(),
    refuse={"SAM_CLI_TELEMETRY": "0"},
    blocked={"SAM_CLI_TELEMETRY": "0"},
    channels=Channels(
        variable="__SAM_CLI_TELEMETRY_ENDPOINT_URL",
        form=WHOLE_URL,
        upstream="https://aws-serverless-tools-telemetry.us-west-2.amazonaws.com/metrics",
        protocol="own",
        fields={
            "metrics": (
                {
                    "commandRun": _SAM_RUN,
                    "events": _SAM_RUN,
                    "installed": _SAM_RUN,
                    "runtimeMetric": _SAM_RUN,
                    "templateWarning": _SAM_RUN,
                },
            ),
        },
        never={
            "installationId": _MACHINE,
            "metricSpecificAttributes": _PROJECT,
            "osPlatform": _MACHINE,
            "region": "where your account is used",
            "userAgent": _MACHINE,
        },
    ),
)

# Storybook 10.6: `DO_NOT_TRACK` is not heeded.
_STORYBOOK = Profile(
    name="storybook",
    programs=frozenset({"sb", "storybook"}),
    operations=frozenset(
        {"add", "automigrate", "build", "dev", "doctor", "index", "info", "init", "link"}
        | {"migrate", "remove", "sandbox", "upgrade"}
    ),
    silent=_HELP | {"-V"},
    valued=frozenset({"-c", "--config-dir", "-p", "--port", "-o", "--output-dir"}),
    refuse={"STORYBOOK_DISABLE_TELEMETRY": "1"},
    blocked={"STORYBOOK_DISABLE_TELEMETRY": "1"},
    channels=Channels(
        variable="STORYBOOK_TELEMETRY_URL",
        form=WHOLE_URL,
        upstream="https://storybook.js.org/event-log",
        protocol="own",
        fields={
            "context": {
                "cliVersion": "version",
                "inCI": "boolean",
                "isTTY": "boolean",
                "nodeVersion": "version",
                "storybookVersion": "version",
            },
            "eventId": "id",
            "eventType": "event",
            "payload": {
                "category": "name",
                "error": {"message": "error text"},
                "eventType": "name",
            },
            "sessionId": "id",
        },
        never={
            "anonymousId": _PROJECT,
            "metadata": _PROJECT,
            "platform": _MACHINE,
            "projectSince": _PROJECT,
            "stack": "it has paths on this machine",
        },
    ),
)

# Meltano 4.4: `DO_NOT_TRACK` is not heeded, and its own opt-out is reported once. Its library
# puts the port behind the path of the address, so that an address with a secret path is none.
_NOWHERE = '["http://127.0.0.1:1"]'
_MELTANO = Profile(
    name="meltano",
    programs=frozenset({"meltano"}),
    operations=frozenset(
        {"add", "compile", "config", "docs", "elt", "el", "environment", "hub", "init", "install"}
        | {"invoke", "job", "lock", "logs", "remove", "run", "schedule", "schema", "select"}
        | {"state", "test", "upgrade", "user"}
    ),
    silent=_HELP,
    valued=frozenset({"--cwd", "--env-file", "--environment", "--log-config", "--log-level"}),
    refuse={
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        "MELTANO_SNOWPLOW_COLLECTOR_ENDPOINTS": _NOWHERE,
    },
    blocked={
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        "MELTANO_SNOWPLOW_COLLECTOR_ENDPOINTS": _NOWHERE,
    },
    channels=Channels(
        variable="",
        blocking={
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            "MELTANO_SNOWPLOW_COLLECTOR_ENDPOINTS": _NOWHERE,
        },
        blocked=(
            Blocked(
                "usage statistics (Snowplow)",
                "its library takes no address with a port and path, so they cannot be intercepted",
            ),
        ),
    ),
)

# AWS CDK CLI 2.1148: what sends its telemetry speaks TLS alone, whatever the address says.
_CDK = Profile(
    name="aws-cdk",
    programs=frozenset({"cdk"}),
    operations=frozenset(
        {"acknowledge", "bootstrap", "context", "deploy", "destroy", "diff", "docs", "doctor"}
        | {"drift", "flags", "gc", "import", "init", "list", "ls", "metadata", "migrate"}
        | {"notices", "orphan", "publish-assets", "refactor", "rollback", "synth", "synthesize"}
        | {"watch"}
    ),
    silent=_HELP,
    valued=frozenset({"-a", "--app", "-c", "--context", "-p", "--plugin", "--profile"}),
    refuse={"CDK_DISABLE_CLI_TELEMETRY": "true"},
    blocked={"CDK_DISABLE_CLI_TELEMETRY": "true"},
    channels=Channels(
        variable="",
        blocking={"CDK_DISABLE_CLI_TELEMETRY": "true"},
        blocked=(
            Blocked(
                "usage statistics",
                "they are sent over TLS only, so they cannot be intercepted for review",
            ),
        ),
    ),
)

PROFILES = (CLOUDQUERY, _CDK, _SAM, _DLT, _MELTANO, _STORYBOOK)
"""All that are shipped."""
