"""Cheap signs that a text may hold a secret: only where there is one are the patterns loaded at all."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MASK_BEGIN = "[masked: "
# What a secret of a known shape holds, word for word.
SIGNS = (
    *("AKIA", "ASIA", "ABIA", "ACCA", "AIza", "ya29.", "GOCSPX-", "AccountKey=", "SharedAccessKey="),
    *("sig=", "8Q~", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glft-"),
    *("glsoat-", "glrt-", "glptt-", "glcbt-", "glagent-", "sk-", "sk_", "rk_", "whsec_", "hf_", "xox"),
    *("xapp-", "hooks.slack.com", "npm_", "pypi-Ag", "eyJ", "PRIVATE KEY", "SG.", "_v1_", "gsk_", "nvapi-"),
    *("r8_", "dckr_pat_", "dapi"),
)
# The same of what may be written in capitals or not.
SMALL_SIGNS = ("wandb", "bearer ", "basic ")
# Parts of names that may stand for a secret.
STEMS = ("pass", "pwd", "secret", "token", "key", "credential")


def has_sign(text: str, values: Iterable[str] = ()) -> bool:
    """Tell whether a text may hold a secret; `values` are those that are known."""
    for sign in SIGNS:
        if sign in text:
            return True
    for value in values:
        if value in text:
            return True
    if "://" in text and "@" in text:
        return True
    small = text.lower()
    for sign in SMALL_SIGNS:
        if sign in small:
            return True
    return ("=" in text or ":" in text or ("--" in text and " " in text)) and has_stem(small)


def has_stem(small: str) -> bool:
    """Tell whether a name in small letters may stand for a secret."""
    return any(stem in small for stem in STEMS)


def mask(kind: str) -> str:
    """Write what stands in the place of a secret."""
    return f"{MASK_BEGIN}{kind}]"
