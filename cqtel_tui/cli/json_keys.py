"""The keys of each command's `--json`, which stay as they are."""

from __future__ import annotations

_COOKIE = "state, path, value, reason, modified"
_RUN = (
    "operation, created, app, version, intercepted, lost, blocked (name, reason, attempts), "
    "id, refused (reason, requests), late, is_over"
)
_RECEIPT = "id, sha256, length, url, status, time, answer, rejected_spans, proxy"
_ENVELOPE = (
    "id, created, attempt, size, origin, app, version, operation, outcome, duration, "
    f"receipt ({_RECEIPT}), problem, destination (kind, url)"
)
KEYS = {
    "status": (
        "program, decision, debug, inspect, reasons (layer, says, source, note, won), "
        "programs (program, decision, debug, endpoint, proposed, why, "
        "contract (version, sha256, asks, endpoint), left_out (key, why)), "
        f"cookie ({_COOKIE}, tracked), legacy_cookies ({_COOKIE}), "
        "outbox (pending, sent, rejected, set_aside, dropped), "
        "destinations (kind, url, pending), endpoint, proxy, retry_at, "
        f"retry_why, problem, problems (kind, text, time), runs ({_RUN})"
    ),
    "consent": (
        "time, program, project, what, value, face, notice, notice_sha256, contract, "
        "contract_sha256, catalogue, is_undo, sent (id, sha256, url, time)"
    ),
    "cookie": f"{_COOKIE}, tracked",
    "pending": _ENVELOPE,
    "sent": _ENVELOPE,
    "rejected": _ENVELOPE,
    "runs": _RUN,
    "show": (
        "id, sha256, length, headers, dropped, unreadable, left_out, "
        "fields (group, key, value, known, problem, promise, why, risk, path), url, stays_because, "
        "run (operation, intercepted); with --leaks: "
        "findings (kind, what, disguise, offset, length, line, group, key, path, excerpt, advice, "
        "count), looked_for, not_looked_for, left_out; with --intercepted: method, path, headers, "
        "when, length, operation, problem, kept, removed, replaced, added, left_out, "
        "values (within, name, path, fate, intercepted, sent, why), "
        "header_fates (name, value, sent, why)"
    ),
    "trim": "path, value",
    "verify": (
        "means, why_not_seen, decision, exit_code, outside, destinations "
        "(family, protocol, address, port, times, what), intercepted, blocked_attempts"
    ),
    "audit": (
        "command, program, has_network, is_observed, trials (name, variables, is_tried, is_heard, "
        "exit_code, seconds, requests (program, url, fields), blocked, outside)"
    ),
    "send": "id, outcome, why",
    "policy-file": "files (path, problem, refused (program, refused))",
    "collector-policy": (
        "endpoint, proxy, policy (software, catalogue, ip_hash, location, derived (field, how), "
        "retention_days, error_days, forwards, keeps_data), me (derived, ip_hash, stored)"
    ),
    "mine": "endpoint, operations",
    "inspect": (
        "shape, traces (resource, scope_name, scope_version, spans (name, trace_id, span_id, "
        "parent_span_id, start_unix_nano, end_unix_nano, kind, status_code, status_message, "
        "attributes, events (name, time_unix_nano, attributes), problems, other), problems), "
        "unknown, problems (offset, line, reason)"
    ),
    "check": (
        "program, version, endpoint, documentation, contact, retention_days, "
        "fields (key, type, shape, sentence, why, risk, since)"
    ),
    "diff": "program, old, new, changes (kind, key, text, asks), problems",
    "report": (
        "since, until, k, total; days (day), operations (program, operation), spans (program, "
        "span), versions (program, version), providers (provider, version), ci (ci), countries "
        "(country): each row also has count, success_rate, installations, those of operations and "
        "spans p50, p95, p99 in seconds; null is the other ones"
    ),
}
"""The stable keys of each command's `--json`, those of objects within it in parentheses."""
KEYS["policy"] = KEYS["collector-policy"]
