"""The known shapes of secrets, as patterns of linear time: bounded repeats, none within another."""

from __future__ import annotations

import re

from runwrap.secrets.names import can_be_secret, is_mixed, is_placeholder, label_of, strength

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Span = tuple[int, int, str]

SHORTEST_PEM = 40
LONGEST_NAME = 60

# kind, signs of which one must be there, pattern; the secret is the group `s`, or all of it.
RULES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("AWS key", ("AKIA", "ASIA", "ABIA", "ACCA"), r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])"),
    ("Google API key", ("AIza",), r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    ("Google token", ("ya29.", "GOCSPX-"), r"(?:ya29\.[A-Za-z0-9_-]{20,500}|GOCSPX-[A-Za-z0-9_-]{28})"),
    (
        "Azure key",
        ("AccountKey=", "SharedAccessKey="),
        r"(?:Account|SharedAccess)Key=(?P<s>[A-Za-z0-9+/]{42,86}={1,2})",
    ),
    (
        "Azure signature",
        ("sig=",),
        r"sig=(?P<s>[A-Za-z0-9%+/]{40,120}?(?:%3[Dd]|=))(?![A-Za-z0-9])",
    ),
    ("Azure secret", ("8Q~",), r"[A-Za-z0-9_~.]{3}8Q~[A-Za-z0-9_~.-]{34}(?![A-Za-z0-9_~.-])"),
    ("GitHub token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    ("GitHub token", ("github_pat_",), r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9_]{30,255}"),
    (
        "GitLab token",
        ("glpat-", "gldt-", "glft-", "glsoat-", "glrt-", "glptt-", "glcbt-", "glagent-"),
        r"gl(?:pat|dt|ft|soat|rt|ptt|cbt|agent)-(?=[a-zA-Z_-]{0,60}[0-9])[A-Za-z0-9_-]{20,300}(?:\.[a-z0-9.]{5,60})?",
    ),
    ("Anthropic key", ("sk-",), r"sk-ant-[a-z0-9]{2,12}-[A-Za-z0-9_-]{20,300}"),
    (
        "OpenAI key",
        ("sk-",),
        r"sk-(?:proj|svcacct|admin|None)-(?=[A-Za-z_-]{0,80}[0-9])[A-Za-z0-9_-]{20,300}",
    ),
    (
        "OpenAI key",
        ("sk-",),
        r"sk-(?=[A-Za-z]{0,60}[0-9])(?=[0-9]{0,60}[A-Za-z])[A-Za-z0-9]{32,64}(?![A-Za-z0-9_-])",
    ),
    ("API key", ("sk-",), r"sk-(?:or-v1-[0-9a-f]{64}|lf-[0-9a-f-]{36})"),
    (
        "API key",
        ("gsk_", "nvapi-", "r8_"),
        r"(?:gsk_[A-Za-z0-9]{52}|nvapi-[A-Za-z0-9_-]{60,70}|r8_[A-Za-z0-9]{37}(?![A-Za-z0-9]))",
    ),
    ("Hugging Face token", ("hf_",), r"hf_(?=[a-z0-9]{0,40}[A-Z])[A-Za-z0-9]{34,40}(?![A-Za-z0-9_])"),
    ("Slack token", ("xox",), r"xox[abeoprs]-(?=[A-Za-z-]{0,40}[0-9])[A-Za-z0-9-]{10,250}"),
    ("Slack token", ("xapp-",), r"xapp-[0-9]-[A-Z0-9]{5,20}-[0-9]{5,20}-[a-z0-9]{20,100}"),
    (
        "Slack webhook",
        ("hooks.slack.com",),
        r"hooks\.slack\.com/(?:services|workflows)/(?P<s>[A-Za-z0-9_/]{20,100})",
    ),
    ("Stripe key", ("sk_", "rk_"), r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,250}"),
    ("Stripe key", ("whsec_",), r"whsec_[A-Za-z0-9+/=]{32,100}"),
    ("npm token", ("npm_",), r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9_])"),
    ("PyPI token", ("pypi-Ag",), r"pypi-Ag[A-Za-z0-9_-]{50,1000}"),
    ("Docker token", ("dckr_pat_",), r"dckr_pat_[A-Za-z0-9_-]{20,60}"),
    ("DigitalOcean token", ("_v1_",), r"do[opr]_v1_[0-9a-f]{64}"),
    ("Databricks token", ("dapi",), r"dapi[0-9a-f]{32}(?:-[0-9])?(?![0-9A-Za-z])"),
    ("SendGrid key", ("SG.",), r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    ("Neptune token", ("eyJ",), r"eyJhcGlfYWRkcmVzcyI[A-Za-z0-9+/_-]{40,1000}={0,2}"),
    ("JWT", ("eyJ",), r"eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}"),
)
# These have a beginning of their own, or are looked for in small letters.
LOOSE_RULES: tuple[tuple[str, str, str], ...] = (
    (
        "wandb key",
        "wandb",
        r"wandb[^\n]{0,40}?(?:key|login|token|password)[^0-9a-z\n]{0,12}(?P<s>[0-9a-f]{40})(?![0-9a-z])",
    ),
    (
        "bearer token",
        "bearer ",
        r"bearer {1,3}(?=[a-z._~+/-]{0,80}[0-9])(?P<s>[a-z0-9._~+/-]{16,4000}={0,2})",
    ),
    (
        "password",
        "basic ",
        r"authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?basic {1,3}(?P<s>[a-z0-9+/]{8,400}={0,2})",
    ),
)
PATTERNS = [(kind, signs, re.compile(rf"(?<![A-Za-z0-9_]){rule}")) for kind, signs, rule in RULES]
LOOSE_PATTERNS = [
    (kind, sign, re.compile(rule, re.IGNORECASE | re.ASCII)) for kind, sign, rule in LOOSE_RULES
]

URL = re.compile(r"(?<=://)(?P<s>[^\s/@:\"'<>]{0,200}:(?P<password>[^\s/\"'<>]{1,200}))@")
PEM_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
PEM_BODY = re.compile(r"[A-Za-z0-9+/=\s\\:,.()\"'-]{40,20000}")
PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
# NAME = "VALUE", NAME=VALUE, NAME: VALUE, --NAME VALUE: from the part of the name that says what it is.
ASSIGNMENT = re.compile(
    r"(?P<name>(?:pass|pwd|secret|token|key|credential)[a-z0-9_-]{0,30})[\"']?"
    r"(?:\s{0,3}(?::=|=>|=|:)\s{0,3}|(?P<space> )(?=[^-\s=:]))"
    r"(?:(?P<quote>[\"'])(?P<quoted>[^\s\"']{8,500})(?P=quote)|(?P<bare>[^\s\"'&;,)]{8,500}))",
    re.IGNORECASE | re.ASCII,
)
NAME_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
CODE = re.compile(r"[\[({<$`|\\]|\A[A-Za-z_][A-Za-z_0-9]*(?:\.[A-Za-z_][A-Za-z_0-9]*)+\Z")


def find(text: str) -> Iterator[Span]:
    """Yield where secrets of known shapes stand in a text, and their kinds."""
    for kind, signs, pattern in PATTERNS:
        if any(sign in text for sign in signs):
            for match in pattern.finditer(text):
                yield (*match.span("s" if "s" in pattern.groupindex else 0), kind)
    if "PRIVATE KEY" in text:
        yield from private_keys(text)
    if "://" in text:
        yield from passwords_in_urls(text)
    small = text.lower()
    for kind, sign, pattern in LOOSE_PATTERNS:
        if sign in small:
            yield from ((*match.span("s"), kind) for match in pattern.finditer(text))
    if "=" in text or ":" in text or "--" in text:
        yield from assigned(text)


def private_keys(text: str) -> Iterator[Span]:
    """Yield private keys in PEM's form, whole or cut off; a line that only names the form is none."""
    begin = PEM_BEGIN.search(text)
    while begin:
        body = PEM_BODY.match(text, begin.end())
        after = begin.end()
        if body:
            end = PEM_END.search(text, begin.end(), min(body.end() + 100, len(text)))
            after = end.end() if end else body.end()
            inside = text[begin.end() : end.start() if end else body.end()]
            if len(inside) >= SHORTEST_PEM and any(map(str.isdigit, inside)):
                yield begin.start(), after, "private key"
        begin = PEM_BEGIN.search(text, after)


def passwords_in_urls(text: str) -> Iterator[Span]:
    """Yield the user and the password of addresses."""
    for match in URL.finditer(text):
        password = match["password"]
        if password[0] not in "${<%*[" and not password.startswith("\\"):
            yield (*match.span("s"), "password in URL")


def assigned(text: str) -> Iterator[Span]:
    """Yield values that are given to a name which stands for a secret, not the code that fetches one."""
    for match in ASSIGNMENT.finditer(text):
        head = text[max(0, match.start() - LONGEST_NAME) : match.start()]
        before = head.rstrip(NAME_LETTERS)
        name = head[len(before) :] + match["name"]
        if match["space"] and not name.startswith("--"):
            continue
        part = "quoted" if match["quote"] else "bare"
        value = match[part]
        sure = strength(name.strip("-"))
        if not sure or not is_mixed(value) or is_placeholder(value) or not can_be_secret(value, sure > 1):
            continue
        if part == "quoted" or not CODE.search(value):
            yield (*match.span(part), label_of(name.strip("-")))
