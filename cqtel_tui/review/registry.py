"""Write a contract as a registry of OpenTelemetry's semantic conventions.

`weaver registry check` reads it, and `weaver registry live-check` holds OTLP against it. The syntax
is that of https://github.com/open-telemetry/weaver/blob/main/schemas/semconv-syntax.md.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..catalogue import ON_SPANS, RECORDED
from .promises import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..consent.contracts import Contract

MANIFEST = "registry_manifest.yaml"
ATTRIBUTES = "telemetry.yaml"
_TYPES = {"string": "string", "boolean": "boolean", "integer": "int"}
_LIST = "string[]"
_EXAMPLES = {
    "boolean": [True],
    "int": [0],
    "string": ["1.0.0"],
    _LIST: [["source/cloudquery/aws@v1.2.3"]],
}


def registry(contract: Contract) -> dict[str, str]:
    """Return the files of a registry, by name, as YAML.

    Args:
        contract: of the program; the fields of the catalogue are in it as well.
    """
    return {MANIFEST: _manifest(contract), ATTRIBUTES: _groups(contract)}


def _manifest(contract: Contract) -> str:
    lines = (
        ("name", contract.program),
        ("description", f"What {contract.program} records: {contract.documentation}"),
        ("semconv_version", f"{contract.version}.0.0"),
        ("schema_base_url", contract.documentation),
    )
    return "".join(f"{key}: {_text(value)}\n" for key, value in lines)


def _groups(contract: Contract) -> str:
    program, spans = contract.program, []
    lines = ["groups:"]
    lines += _group("registry.cqtel", "What cqtel may record of any program.")
    for field in FIELDS:
        if field.key in RECORDED:
            lines += _attribute(field.key, field.type, field.sentence, field.why)
    spans += sorted(ON_SPANS)
    if contract.fields:
        lines += _group(f"registry.{program}", f"What only {program} records.")
    for own in contract.fields:
        note = f"{own.why} Identifying: {own.risk}. Since version {own.since}."
        lines += _attribute(own.key, own.shape.type, own.sentence, note)
        spans.append(own.key)
    lines += [
        f"  - id: span.{program}.operation",
        "    type: span",
        "    span_kind: internal",
        "    stability: development",
        f"    brief: {_text(f'An operation of {program}, or a part of one.')}",
        "    attributes:",
    ]
    for key in spans:
        lines += [f"      - ref: {key}", "        requirement_level: opt_in"]
    return "\n".join(lines) + "\n"


def _group(identity: str, brief: str) -> Sequence[str]:
    return (
        f"  - id: {identity}",
        "    type: attribute_group",
        "    stability: development",
        f"    brief: {_text(brief)}",
        "    attributes:",
    )


def _attribute(key: str, kind: str, brief: str, note: str) -> Iterator[str]:
    type_ = _TYPES.get(kind, _LIST)
    yield f"      - id: {key}"
    yield f"        type: {type_}"
    yield "        stability: development"
    yield f"        brief: {_text(brief)}"
    yield f"        note: {_text(note)}"
    yield f"        examples: {json.dumps(_EXAMPLES[type_])}"


def _text(text: str) -> str:
    """Write a text as YAML: JSON's texts are some of YAML's."""
    return json.dumps(text, ensure_ascii=False)
