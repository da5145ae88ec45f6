"""The shapes of tokens and keys, as their makers document them."""

from __future__ import annotations

import binascii
import re

from .shapes import (
    BASIC,
    BEARER,
    DIGITS,
    LETTERS,
    TOKEN,
    Range,
    Shape,
    anywhere,
    back,
    begins_word,
    is_word,
)


def _secret_of_aws(data: bytes, match: re.Match[bytes]) -> Range | None:
    """Accept the secret near its key's id: 40 letters, which alone might be anything."""
    if is_word(data, match.start() - 1):
        return None
    begin = max(0, match.start() - _NEAR)
    for near in _FORTY.finditer(data, begin, min(len(data), match.end() + _NEAR)):
        letters = near[0]
        is_mixed = any(b.isdigit() for b in map(chr, letters)) and not letters.islower()
        cut = is_base64(data, near.start() - 1) or is_base64(data, near.end())
        if is_mixed and not letters.isupper() and not cut:
            return near.span()
    return None


def is_base64(data: bytes, at: int) -> bool:
    """Tell whether a letter of base64 stands there."""
    return 0 <= at < len(data) and data[at] in _OF_BASE64


def _client_secret(data: bytes, match: re.Match[bytes]) -> Range | None:
    start = back(data, match.start(), LETTERS + DIGITS + b"_.~-", 4)
    return (start, match.end()) if match.start() - start >= 3 else None  # noqa: PLR2004  # its form


def _terraform(data: bytes, match: re.Match[bytes]) -> Range | None:
    return back(data, match.start(), LETTERS + DIGITS, 14), match.end()


def _web_token(data: bytes, match: re.Match[bytes]) -> Range | None:
    # Each run of these letters is read once, from its beginning, however often it says eyJ.
    if back(data, match.start(), LETTERS + DIGITS + b"_-", 1) < match.start():
        return None
    token = _WEB_TOKEN.match(data, match.start())
    return token.span() if token else None


def _basic(data: bytes, match: re.Match[bytes]) -> Range | None:
    """Accept what decodes to `name:password`, for "basic" is a word as well."""
    letters = match[1].rstrip(b"=")
    try:
        decoded = binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
    except binascii.Error:
        return None
    return begins_word(data, match) if b":" in decoded and decoded.isascii() else None


TOKENS = tuple(
    Shape(TOKEN, what, re.compile(pattern.encode()), begins_word)
    for what, pattern in (
        ("an access key of AWS", "A(?:KIA|SIA|BIA|CCA|GPA|IDA|NPA|NVA|PKA|ROA)[A-Z0-9]{16}"),
        ("a token of GitHub", "gh[oprsu]_[A-Za-z0-9]{20,255}"),
        ("a token of GitHub", "github_pat_[A-Za-z0-9_]{20,255}"),
        (
            "a token of GitLab",
            "gl(?:agent|cbt|dt|ffct|ft|imt|oas|pat|ptt|rt|soat)-[A-Za-z0-9_.-]{20,300}",
        ),
        ("a token of Slack", r"xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{10,255}"),
        ("a token of Slack", "xapp-[0-9]-[A-Za-z0-9-]{10,255}"),
        ("a web hook of Slack", r"hooks\.slack\.com/[a-z]{5,10}/[A-Za-z0-9/]{20,100}"),
        ("a key of Stripe", "sk_(?:live|test)_[A-Za-z0-9]{10,255}"),
        ("a key of Stripe", "rk_(?:live|test)_[A-Za-z0-9]{10,255}"),
        ("a secret of Stripe", "whsec_[A-Za-z0-9+/=]{24,255}"),
        ("a key of Google", "AIza[A-Za-z0-9_-]{35}"),
        ("a token of Google", r"ya29\.[A-Za-z0-9_-]{20,1024}"),
        ("a secret of Google", "GOCSPX-[A-Za-z0-9_-]{20,64}"),
        ("a key of Azure", "AccountKey=[A-Za-z0-9+/%]{40,128}={0,2}"),
        ("a key of Azure", "SharedAccessKey=[A-Za-z0-9+/%]{40,128}={0,2}"),
        ("a signature of Azure", "sig=[A-Za-z0-9+/%]{40,128}={0,2}"),
        ("a key of CloudQuery", "cqsr_[A-Za-z0-9_-]{10,255}"),
        ("a key of CloudQuery", "cqstc_[A-Za-z0-9_-]{10,255}"),
        ("a key of Anthropic", "sk-ant-[A-Za-z0-9_-]{20,255}"),
        ("a key of OpenAI", "sk-(?:admin|proj|svcacct)-[A-Za-z0-9_-]{20,255}"),
        ("a key of OpenAI", "sk-[A-Za-z0-9]{40,255}"),
        ("a token of Hugging Face", "hf_[A-Za-z0-9]{30,64}"),
        ("a token of npm", "npm_[A-Za-z0-9]{36}"),
        ("a token of PyPI", "pypi-AgEI[A-Za-z0-9_-]{50,1024}"),
        ("a token of Docker", "dckr_[a-z]{3}_[A-Za-z0-9_-]{20,64}"),
        ("a token of DigitalOcean", "do[opr]_v1_[a-f0-9]{64}"),
        ("a token of Databricks", "dapi[a-f0-9]{32}"),
        ("a token of Grafana", "gl(?:sa|c)_[A-Za-z0-9_=+/]{32,300}"),
        ("a token of HashiCorp Vault", r"hvs\.[A-Za-z0-9_-]{24,300}"),
        ("a key of New Relic", "NRAK-[A-Z0-9]{27}"),
        ("a token of Sentry", "sntry[su]_[A-Za-z0-9_=+/]{40,300}"),
        ("a key of SendGrid", r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}"),
        ("a key of Twilio", "SK[0-9a-f]{32}"),
        ("a token of Shopify", "shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}"),
        ("a token of Atlassian", "ATATT3[A-Za-z0-9_=-]{50,300}"),
        ("a key of age", "AGE-SECRET-KEY-1[0-9A-Z]{58}"),
        ("a key of Groq", "gsk_[A-Za-z0-9]{40,64}"),
        ("a key of xAI", "xai-[A-Za-z0-9]{60,100}"),
        ("a key of Perplexity", "pplx-[A-Za-z0-9]{40,64}"),
        ("a token of Replicate", "r8_[A-Za-z0-9]{37,40}"),
        ("a token of RubyGems", "rubygems_[a-f0-9]{48}"),
        ("a token of Heroku", "HRKU-[A-Za-z0-9_-]{36,64}"),
        ("a key of Linear", "lin_(?:api|oauth)_[A-Za-z0-9]{32,64}"),
        ("a token of Notion", "ntn_[A-Za-z0-9]{40,50}"),
        ("a token of Figma", "figd_[A-Za-z0-9_-]{36,64}"),
        ("a key of Postman", "PMAK-[A-Za-z0-9-]{50,64}"),
        ("a token of Pulumi", "pul-[a-f0-9]{40}"),
        ("a token of PlanetScale", "pscale_(?:tkn|oauth|pw)_[A-Za-z0-9_.=-]{32,64}"),
        ("a token of Doppler", r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.-]{40,64}"),
        ("a key of Supabase", "sb(?:p|_secret)_[A-Za-z0-9_-]{22,64}"),
        ("a token of Buildkite", "bk(?:ua|aj|ct)_[A-Za-z0-9_-]{32,64}"),
        ("a token of CircleCI", "CCI(?:PAT|PRJ)_[A-Za-z0-9_]{40,80}"),
        ("a token of Netlify", "nf[pcbu]_[A-Za-z0-9_]{36,64}"),
        ("a token of Telegram", "[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
        ("a token of Square", "sq0(?:atp|csp)-[A-Za-z0-9_-]{22,60}"),
        ("a key of Mailgun", "key-[a-f0-9]{32}"),
        ("a key of Mailchimp", "[a-f0-9]{32}-us[0-9]{1,2}"),
        ("a token of Prefect", "pn[ub]_[A-Za-z0-9]{36}"),
        ("a key of LangSmith", "lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}"),
        ("a token of HashiCorp Vault", r"hvb\.[A-Za-z0-9_-]{24,300}"),
        ("a web hook of Discord", r"discord(?:app)?\.com/api/webhooks/[0-9]{17,20}/[\w-]{60,80}"),
    )
)

_WEB_TOKEN = re.compile(
    rb"eyJ[A-Za-z0-9_-]{5,8192}+\.[A-Za-z0-9_-]{5,65536}+(?:\.[A-Za-z0-9_-]{0,8192}+)?"
)
_OF_BASE64 = frozenset(LETTERS + DIGITS + b"+/=")
_FORTY = re.compile(rb"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])")
_NEAR = 200
"""How near, in bytes, a secret must be to a key's id to belong to it."""
_BASE64_LINES = r"[A-Za-z0-9+/=:,\s\\-]{0,8192}"
KEYS = (
    Shape(
        TOKEN,
        "a private key",
        re.compile(
            rb"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            + _BASE64_LINES.encode()
        ),
        anywhere,
    ),
    Shape(
        TOKEN,
        "a secret key of AWS, beside its id",
        re.compile(rb"A(?:KIA|SIA)[A-Z0-9]{16}(?![A-Z0-9])"),
        _secret_of_aws,
    ),
    Shape(TOKEN, "a JSON web token", re.compile(rb"eyJ[A-Za-z0-9_-]{5}"), _web_token),
    Shape(
        TOKEN,
        "a token of Terraform",
        re.compile(rb"\.atlasv1\.[A-Za-z0-9_=-]{60,70}"),
        _terraform,
    ),
    Shape(TOKEN, "a private key", re.compile(rb"PuTTY-User-Key-File-[0-9]"), anywhere),
    Shape(
        TOKEN,
        "a client secret of Azure",
        re.compile(rb"[0-9]Q~[A-Za-z0-9_.~-]{31,34}"),
        _client_secret,
    ),
    Shape(
        TOKEN,
        BEARER,
        re.compile(rb"bearer[ \t+]{1,4}[a-z0-9._~+/=-]{16,4096}"),
        begins_word,
        folded=True,
    ),
    Shape(
        TOKEN,
        BASIC,
        re.compile(rb"[bB]asic[ \t+]{1,4}([A-Za-z0-9+/]{6,1024}={0,2})"),
        _basic,
    ),
)
