"""What names say that their value is a secret, and which values cannot be one."""

from __future__ import annotations

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LABEL_LETTERS = frozenset(LETTERS + LETTERS.upper() + "0123456789_.- ")
LONGEST_LABEL = 60
LONGEST_NAME = 100

# Their value is a secret whatever it looks like.
STRONG_WORDS = """
    password passwd passwort passphrase pwd secret credential apikey secretkey privatekey accesskey
"""
STRONG = frozenset(STRONG_WORDS.split())
# `token` and `key` mean much else (pad_token, sort_key) but for behind one of these.
BEARERS_WORDS = """
    access api app auth authentication azure bearer bot csrf deploy github gitlab google hf
    huggingface id jwt login neptune npm oauth personal private pypi refresh registry secret service
    session slack user vault wandb write read hub
"""
BEARERS = frozenset(BEARERS_WORDS.split())
LOCKS_WORDS = """
    access account admin anthropic api app auth aws azure client comet consumer deploy encryption
    google license master openai private secret service shared signing ssh storage subscription user
    wandb
"""
LOCKS = frozenset(LOCKS_WORDS.split())
# What comes last says that it is something about the secret.
ABOUT_WORDS = """
    algorithm arn class column count dim dir enabled endpoint env expiration expires expiry field
    file folder format header hash hint host id ids index length len limit location max min mode
    name names num number path policy prefix provider ref regex required rotation size source store
    suffix timeout ttl type uri url user username variable version
"""
ABOUT = frozenset(ABOUT_WORDS.split())
# What stands where a secret would, and is none.
NOTHING_WORDS = """
    true false none null yes no on off auto default unset empty required optional enabled disabled
    undefined changeme change_me password passwd secret username anonymous localhost production
    development staging testing placeholder redacted hidden example unknown missing notset
    environment keyring prompt interactive
"""
NOTHING = frozenset(NOTHING_WORDS.split())
PATH_STARTS = ("/", "./", "../", "~", "file:", "\\\\")
REFERENCE_STARTS = (
    "$",
    "{",
    "<",
    "%",
    "@",
    "http://",
    "https://",
    "[masked: ",
    "***",
    "op://",
    "vault:",
    "arn:",
)
FILE_ENDS = (
    ".py",
    ".sh",
    ".txt",
    ".json",
    ".yaml",
    ".yml",
    ".toml",
    ".cfg",
    ".ini",
    ".env",
    ".pem",
    ".key",
    ".md",
)
PLACEHOLDERS = ("your", "xxxx", "placeholder", "changeme", "****", "....", "dummy")
SHORTEST_STRONG, SHORTEST = 4, 8


def words_of(name: str) -> list[str]:
    """Split a name into its words: at what is no letter or digit, and within apiKey."""
    spaced = ""
    before = ""
    for letter in name[-LONGEST_NAME:]:
        if letter.isupper() and before.islower():
            spaced += " "
        spaced += letter if letter.isalnum() else " "
        before = letter
    return spaced.lower().split()


def singular(word: str) -> str:
    """Return a word without the s of the plural."""
    return word[:-1] if word.endswith("s") and word[:-1] in STRONG | {"token", "key"} else word


def strength(name: str) -> int:
    """Tell what a name says of its value: 2, it is a secret; 1, if it looks like one; 0, nothing."""
    words = [singular(word) for word in words_of(name)]
    if not words or words[-1] in ABOUT:
        return 0
    if not STRONG.isdisjoint(words):
        return 2
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        if word == "token" and (len(words) == 1 or before in BEARERS or words[place + 1 :] == ["secret"]):
            return 1
        if word == "key" and before in LOCKS:
            return 1
    return 0


def variable_strength(name: str) -> int:
    """Tell what the name of an environment variable says of its value, as `strength` does."""
    words = [singular(word) for word in words_of(name)]
    if not words or words[-1] in ABOUT:
        return 0
    if any(
        stem in word for word in words for stem in ("passw", "passphrase", "secret", "credential", "apikey")
    ):
        return 2
    if any(word == "pwd" or (word.endswith("token") and not word.startswith("num")) for word in words):
        return 2 if len(words) > 1 or words[0] != "pwd" else 0
    return 1 if "key" in words or words[-1] == "pat" else 0


def is_mixed(value: str) -> bool:
    """Tell whether a value has letters and digits, or capitals within, as keys have and words have not."""
    if value.isalpha():
        return not (value.islower() or value.isupper() or value.istitle())
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def can_be_secret(value: str, strong: bool) -> bool:
    """Tell whether a value is no path, number, common word, or mere reference to a secret."""
    small = value.strip().lower()
    if len(small) < (SHORTEST_STRONG if strong else SHORTEST) or small in NOTHING:
        return False
    if small.startswith(PATH_STARTS) or small.startswith(REFERENCE_STARTS) or small.endswith(FILE_ENDS):
        return False
    return (strong or is_mixed(value)) and not is_number(small)


def is_number(text: str) -> bool:
    """Tell whether a text is a number, as far as it is one of a setting."""
    try:
        float(text)
    except ValueError:
        return False
    return len(text) < 12  # noqa: PLR2004  # longer ones may be a secret in digits


def is_placeholder(value: str) -> bool:
    """Tell whether a value in a text only shows where a secret is to stand."""
    small = value.lower()
    return len(set(small)) < 4 or any(word in small for word in PLACEHOLDERS)  # noqa: PLR2004  # aaaaaaaa, 12121212


def label_of(name: str) -> str:
    """Return a name as it can stand in a mask."""
    shown = "".join(letter for letter in name[:LONGEST_LABEL] if letter in LABEL_LETTERS).strip()
    return shown or "secret"
