"""The shapes of what must never be in a payload: tokens and keys, addresses, paths of people.

Each pattern begins with a fixed text wherever it can, which makes it fast, and repeats nothing
inside a repetition, which keeps it linear: what is before its beginning is checked by hand. The
shapes of tokens are those that their makers document.
"""

from __future__ import annotations

import binascii
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "token"  # noqa: S105  # the word itself
URL = "url"
ASSIGNMENT = "assignment"
EMAIL = "email"
ADDRESS = "address"
MAC = "mac"
PERSONAL_PATH = "personal path"

BEARER = "a bearer token"
BASIC = "a name and password (basic authentication)"

Range: TypeAlias = "tuple[int, int]"

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS = b"0123456789"
_HEX = b"0123456789abcdefABCDEF"
_LOCAL_PART = _LETTERS + _DIGITS + b"._%+-"
_IN_URL_SCHEME = _LETTERS + _DIGITS + b"+.-"
_WORD = frozenset(_LETTERS + _DIGITS + bytes(range(0x80, 0x100)))
_OUR_PLUGIN = re.compile(
    rb"(?:source|destination|transformer|provider)/[A-Za-z0-9._-]{1,40}/[A-Za-z0-9._-]{1,40}@v?\Z"
)
_VERSION = re.compile(rb"v?\d+\.\d[\d.]*(?:[-+][0-9A-Za-z.+-]*)?")
_NOTHING = re.compile(rb"[*x._-]*|none|null|true|false|undefined|redacted|removed")


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape of something that must not be in a payload.

    Attributes:
        kind: which sort of thing it is.
        what: what a text of that shape is, in words.
        pattern: finds where it may be.
        accepts: gives the range of a match that is one, None if it is none.
        folded: whether the pattern is for the lower-case form of a payload.
    """

    kind: str
    what: str
    pattern: re.Pattern[bytes]
    accepts: Callable[[bytes, re.Match[bytes]], Range | None]
    folded: bool = False


def is_word(data: bytes, at: int) -> bool:
    """Tell whether a letter or a digit stands there."""
    return 0 <= at < len(data) and data[at] in _WORD


def after_plugin(data: bytes, at: int) -> bool:
    """Tell whether what stands there is the version of a plugin, as the recorder writes it."""
    may_be = at > 0 and data[at - 1] in b"@v"
    return may_be and _OUR_PLUGIN.search(data, max(0, at - 100), at) is not None


def _begins_word(data: bytes, found: re.Match[bytes]) -> Range | None:
    start, end = found.span()
    return None if is_word(data, start - 1) else (start, end)


def _anywhere(_: bytes, found: re.Match[bytes]) -> Range | None:
    return found.span()


def _back(data: bytes, at: int, characters: bytes, most: int) -> int:
    """Return where the run of such characters that ends at `at` begins, `most` of them at most."""
    before = data[max(0, at - most) : at]
    return at - len(before) + len(before.rstrip(characters))


# Tokens and keys ----------------------------------------------------------------------------------


def _secret_of_aws(data: bytes, found: re.Match[bytes]) -> Range | None:
    """Accept the secret near its key's id: 40 letters, which alone might be anything."""
    if is_word(data, found.start() - 1):
        return None
    begin = max(0, found.start() - _NEAR)
    for near in _FORTY.finditer(data, begin, min(len(data), found.end() + _NEAR)):
        letters = near[0]
        is_mixed = any(b.isdigit() for b in map(chr, letters)) and not letters.islower()
        cut = is_base64(data, near.start() - 1) or is_base64(data, near.end())
        if is_mixed and not letters.isupper() and not cut:
            return near.span()
    return None


def is_base64(data: bytes, at: int) -> bool:
    """Tell whether a letter of base64 stands there."""
    return 0 <= at < len(data) and data[at] in _OF_BASE64


def _client_secret(data: bytes, found: re.Match[bytes]) -> Range | None:
    start = _back(data, found.start(), _LETTERS + _DIGITS + b"_.~-", 4)
    return (start, found.end()) if found.start() - start >= 3 else None  # noqa: PLR2004  # its form


def _terraform(data: bytes, found: re.Match[bytes]) -> Range | None:
    return _back(data, found.start(), _LETTERS + _DIGITS, 14), found.end()


def _web_token(data: bytes, found: re.Match[bytes]) -> Range | None:
    # Each run of these letters is read once, from its beginning, however often it says eyJ.
    if _back(data, found.start(), _LETTERS + _DIGITS + b"_-", 1) < found.start():
        return None
    whole = _WEB_TOKEN.match(data, found.start())
    return whole.span() if whole else None


def _basic(data: bytes, found: re.Match[bytes]) -> Range | None:
    """Accept what decodes to `name:password`, for "basic" is a word as well."""
    letters = found[1].rstrip(b"=")
    try:
        decoded = binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
    except binascii.Error:
        return None
    return _begins_word(data, found) if b":" in decoded and decoded.isascii() else None


_TOKENS = tuple(
    Shape(TOKEN, what, re.compile(pattern.encode()), _begins_word)
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
_OF_BASE64 = frozenset(_LETTERS + _DIGITS + b"+/=")
_FORTY = re.compile(rb"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])")
_NEAR = 200
"""Bytes: so near to a key's id, a secret belongs to it."""
_BASE64_LINES = r"[A-Za-z0-9+/=:,\s\\-]{0,8192}"
_KEYS = (
    Shape(
        TOKEN,
        "a private key",
        re.compile(
            rb"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            + _BASE64_LINES.encode()
        ),
        _anywhere,
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
    Shape(TOKEN, "a private key", re.compile(rb"PuTTY-User-Key-File-[0-9]"), _anywhere),
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
        _begins_word,
        folded=True,
    ),
    Shape(
        TOKEN,
        BASIC,
        re.compile(rb"[bB]asic[ \t+]{1,4}([A-Za-z0-9+/]{6,1024}={0,2})"),
        _basic,
    ),
)


# Passwords that stand beside their name -----------------------------------------------------------


def _assignment(_: bytes, found: re.Match[bytes]) -> Range | None:
    return None if _NOTHING.fullmatch(found[1]) else (found.start(), found.end())


_GIVES = (
    rb'["\']?\s{0,3}(?:=\s{0,3}["\']?|:\s{0,3}["\']'
    rb'|,\s{0,3}"value"\s{0,3}:\s{0,3}\{\s{0,3}"stringvalue"\s{0,3}:\s{0,3}")'
    rb'([^\s"\'&,;<>{}\[\]()\\]{6,512})'
)
_ASSIGNMENTS = tuple(
    Shape(
        ASSIGNMENT,
        "a password or a key, beside its name",
        re.compile(name + _GIVES),
        _assignment,
        folded=True,
    )
    for name in (
        *(b"password", b"passwd", b"passphrase", b"secret", b"token", b"apikey", b"api_key"),
        *(b"api-key", b"access_key", b"accesskey", b"private_key", b"credential", b"credentials"),
    )
)


# Addresses ----------------------------------------------------------------------------------------


def _url(data: bytes, found: re.Match[bytes]) -> Range | None:
    start = _back(data, found.start(), _IN_URL_SCHEME, 30)
    return (start, found.end()) if start < found.start() else None


def _data_source(data: bytes, found: re.Match[bytes]) -> Range | None:
    """Accept `name:password@tcp(`, as Go's MySQL driver has it."""
    password = data.rfind(b":", max(0, found.start() - 128), found.start())
    if not 0 < password < found.start() - 1:
        return None
    start = _back(data, password, _LOCAL_PART, 64)
    return (start, found.end()) if start < password else None


def _email(data: bytes, found: re.Match[bytes]) -> Range | None:
    start = _back(data, found.start(), _LOCAL_PART, 64)
    if start == found.start() or is_word(data, found.end()):
        return None
    if after_plugin(data, found.start() + 1) and _VERSION.fullmatch(found[0][1:]):
        return None
    return start, found.end()


_AFTER_VERSION = re.compile(
    rb"(?:Version|(?<![A-Za-z])(?:version|VERSION|[vV]er\.?|[rR]elease|[bB]uild|v))"
    rb"""["']?\s{0,3}(?:[:=,-]\s{0,3})?(?:"value"\s{0,3}:\s{0,3}\{\s{0,3}"stringValue"\s{0,3}:"""
    rb"""\s{0,3})?["']?\s{0,3}\Z"""
)


def _ipv4(data: bytes, found: re.Match[bytes]) -> Range | None:
    start = _back(data, found.start(), _DIGITS, 4)
    end = found.end()
    if is_word(data, start - 1) or is_word(data, end) or after_plugin(data, start):
        return None
    more_before = start > 1 and data[start - 1] == ord(".") and data[start - 2] in _DIGITS
    more_after = data[end : end + 1] == b"." and is_word(data, end + 1)
    if more_before or more_after:
        return None
    address = _if_address(data, start, end)
    if address is None or not _AFTER_VERSION.search(data, max(0, start - 80), start):
        return address
    # A version may look like an address, but no maker numbers releases by a private network.
    return address if ipaddress.ip_address(data[start:end].decode("ascii")).is_private else None


def _ipv6(data: bytes, found: re.Match[bytes]) -> Range | None:
    start = _back(data, found.start(), _HEX + b":", 40)
    end = found.end() - (found[0].endswith(b".") or found[0].endswith(b":"))
    if end - start < 5 or is_word(data, start - 1) or is_word(data, end):  # noqa: PLR2004  # a::b2
        return None
    # Two groups at least: `::add` is a name in many languages.
    if len(data[start:end].replace(b":", b" ").split()) < 2:  # noqa: PLR2004  # so
        return None
    return _if_address(data, start, end)


def _if_address(data: bytes, start: int, end: int) -> Range | None:
    try:
        address = ipaddress.ip_address(data[start:end].decode("ascii"))
    except ValueError:
        return None
    return None if address.is_unspecified else (start, end)


def _mac(data: bytes, found: re.Match[bytes]) -> Range | None:
    start = found.start() - 2
    end = found.end()
    if start < 0 or data[start : start + 2].strip(_HEX):
        return None
    if is_word(data, start - 1) or is_word(data, end) or data[end : end + 1] == found[1]:
        return None
    nobodys = len(set(data[start:end].lower())) == 2 and data[start] in b"0fF"  # noqa: PLR2004  # a digit and a separator
    return None if nobodys else (start, end)


_ADDRESSES = (
    Shape(
        URL,
        "a URL with a password",
        re.compile(rb"""://[^\s/?#"'@:]{0,256}:[^\s/?#"'@]{1,256}@[^\s/?#"'@:]{0,256}"""),
        _url,
    ),
    Shape(
        URL,
        "a URL with a token",
        re.compile(rb"""://[^\s/?#"'@:]{12,256}:?@[^\s/?#"'@:]{1,256}"""),
        _url,
    ),
    Shape(URL, "an address with a password", re.compile(rb"@(?:tcp|unix)\("), _data_source),
    Shape(
        EMAIL,
        "an e-mail address",
        re.compile(rb"@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z][A-Za-z0-9-]{1,62}"),
        _email,
    ),
    Shape(
        ADDRESS,
        "an IPv4 address",
        re.compile(rb"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}"),
        _ipv4,
    ),
    Shape(ADDRESS, "an IPv6 address", re.compile(rb"::[0-9A-Fa-f:.]{0,40}"), _ipv6),
    Shape(
        ADDRESS,
        "an IPv6 address",
        re.compile(rb":[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){6}"),
        _ipv6,
    ),
    Shape(
        MAC,
        "a MAC address",
        re.compile(rb"([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}"),
        _mac,
    ),
)


# Paths --------------------------------------------------------------------------------------------


def _posix_path(data: bytes, found: re.Match[bytes]) -> Range | None:
    before = data[found.start() - 1] if found.start() else ord(" ")
    return None if before in _WORD or before in b"._-" else found.span()


def _windows_path(data: bytes, found: re.Match[bytes]) -> Range | None:
    start = found.start() - 1
    drive = start >= 0 and data[start] in _LETTERS and not is_word(data, start - 1)
    return (start, found.end()) if drive else None


_PATHS = (
    Shape(
        PERSONAL_PATH,
        "a path in somebody's home directory",
        re.compile(rb"/(?:home|Users)/[A-Za-z0-9._@-]{1,64}"),
        _posix_path,
    ),
    Shape(
        PERSONAL_PATH,
        "a path in somebody's home directory",
        re.compile(rb""":[\\/]{1,4}Users[\\/]{1,4}[^\\/:*?"<>|\s]{1,64}"""),
        _windows_path,
    ),
)

SHAPES = (*_TOKENS, *_KEYS, *_ASSIGNMENTS, *_ADDRESSES, *_PATHS)
"""All of them, in the order in which they are looked for."""
