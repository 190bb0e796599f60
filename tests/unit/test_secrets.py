"""The firewall: nothing secret passes, nothing else is touched, and it costs no time."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwrap.errors import UsageError
from runwrap.secrets.firewall import Firewall
from runwrap.secrets.signs import has_sign

TOKEN = "xghp_aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0vW2xY4"[1:]  # so that nobody who scans this file finds it
PIECES = [
    TOKEN,
    "AKIA",
    "QX7JZ2ABCDEF34GH",
    "sk-",
    "://",
    "bob:pw@",
    "host",
    "password=",
    "a1b2c3d4e5",
    "[masked: ",
    "]",
]
PIECES += [
    "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "MIIEpAIBAAKCAQEA7bq3n9Jx0PlYw8" * 2,
    "\n",
    " ",
]
PIECES += [
    "eyJ",
    ".",
    "wandb login ",
    "3f9a1c7be2d84f60a5b7c9d1e3f50718293a4b5c",
    "hunter2-value",
    '"',
    "'",
    "--token ",
    "x",
]
texts = st.text() | st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def firewall(**variables: str) -> Firewall:
    """Make one that knows a secret, and has a pattern of the user's."""
    return Firewall({"DB_PASSWORD": "hunter2-value", **variables}, ["proj-[0-9]+", "internal"])


@given(texts)
def test_what_is_masked_stays_as_it_is(text: str) -> None:
    once = firewall().text(text)
    again = firewall()
    assert again.text(once) == once
    assert again.counts == {}


@given(values)
def test_values_of_any_kind_are_masked_without_an_error_and_once(value: Any) -> None:
    once = firewall().value(value)
    assert repr(firewall().value(once)) == repr(once)


@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_text_without_a_sign_is_the_very_same(text: str) -> None:
    if not has_sign(text):
        assert Firewall({}).text(text) is text


@given(st.binary(), st.binary())
def test_bytes_around_a_secret_stay(before: bytes, after: bytes) -> None:
    if not has_sign((before + after).decode("utf-8", "surrogateescape")):
        masked = Firewall({}).data(before + b" " + TOKEN.encode() + b" " + after)
        assert masked == before + b" [masked: GitHub token] " + after


@given(st.lists(texts, max_size=8))
def test_a_command_line_keeps_its_number_of_words(words: list[str]) -> None:
    kept = firewall().words(words)
    assert len(kept) == len(words)
    assert firewall().words(kept) == kept


def test_values_of_variables_that_look_secret_are_known() -> None:
    environ = {
        "DB_PASSWORD": "correcthorse", "HF_TOKEN": "opensesame-now", "MY_API_KEY": "0a1b2c3d4e",
        "APP_SECRET": "s3cr3tvalue", "GITLAB_PAT": "a1b2c3d4e5f6", "AWS_CREDENTIALS": "abcd1234efgh", "MYSQL_PWD": "longenough",
    }  # fmt: skip
    for name, value in environ.items():
        made = Firewall(environ)
        assert made.text(f"x {value}y") == f"x [masked: value of {name}]y"
        assert made.counts == {f"value of {name}": 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", "short"), ("KEY_FILE", "abcdefgh1234"), ("MY_TOKEN", "/run/secrets/token1"),
        ("API_KEY", "~/keys/api1234"), ("SECRET_NUMBER", "1234567890"), ("APP_SECRET", "12345678"), ("USE_TOKEN", "disabled"),
        ("DB_PASSWORD", "changeme"), ("TOKENIZERS_PARALLELISM", "sometimes1"), ("PWD", "abcd1234efgh"),
        ("KEYBOARD", "de-latin1-nodeadkeys"), ("MONKEY", "capuchin2000"), ("MAX_TOKENS_COUNT", "abcd1234efgh"),
        ("SSH_AUTH_SOCK", "abcd1234efgh"), ("PRIMARY_KEY", "customer_id"), ("TOKEN_URL", "https://x.example/t"),
        ("AUTH_TOKEN_TYPE", "abcd1234efgh"), ("HOME", "abcd1234efgh"), ("OLDPWD", "/home/user/x1234"),
    ],
)  # fmt: skip
def test_paths_numbers_and_common_words_are_no_secrets(name: str, value: str) -> None:
    assert Firewall({name: value}).values == {}


def test_the_longest_value_goes_first() -> None:
    made = Firewall({"A_TOKEN": "abcd1234", "B_TOKEN": "abcd1234efgh"})
    assert made.text("abcd1234efgh abcd1234") == "[masked: value of B_TOKEN] [masked: value of A_TOKEN]"


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["x", "--password", "hunter2", "y"], ["x", "--password", "[masked: password]", "y"]),
        (["x", "--api-key=0a1b2c3d"], ["x", "--api-key=[masked: api-key]"]),
        (["env", "API_KEY=0a1b2c3d", "x"], ["env", "API_KEY=[masked: API_KEY]", "x"]),
        (["wandb", "login", "3f9a1c7b" * 5], ["wandb", "login", "[masked: wandb key]"]),
        (["x", "--repo=https://a:b1@h/x"], ["x", "--repo=https://[masked: password in URL]@h/x"]),
        (["sh", "-c", "export DB_PASSWORD=hunter2hunter2; x"], ["sh", "-c", "export DB_PASSWORD=[masked: DB_PASSWORD]; x"]),
        (["x", TOKEN], ["x", "[masked: GitHub token]"]),
    ],
)  # fmt: skip
def test_secrets_on_a_command_line_are_masked(words: list[str], kept: list[str]) -> None:
    assert Firewall({}).words(words) == kept


@pytest.mark.parametrize(
    "words",
    [
        ["python", "train.py", "--lr", "0.1", "--max-tokens=4096", "--tokenizer", "bert-base-v2"],
        ["x", "--password", "--verbose"], ["x", "--password", "train.py"], ["x", "--key", "loss_12345"],
        ["x", "--token-type", "abcd12345"], ["x", "--password-file", "secret12345"], ["x", "--token", "/run/token12"],
        ["git", "checkout", "3f9a1c7b" * 5], ["x", "--pad_token=<pad_12345>"], ["", "=", "--=", "--", "a=b=c"],
    ],
)  # fmt: skip
def test_ordinary_command_lines_stay(words: list[str]) -> None:
    assert Firewall({}).words(words) == words


def test_values_below_a_secret_name_are_masked_however_deep() -> None:
    config = {
        "api_key": "abcd1234efgh", "db": {"password": "hunter2", "user": "bob"}, "secrets": ["one1one1", {"a": "two2two2"}],
        "apiKey": "abcd1234efgh", "pin_password": 1234567890, "model": {"pad_token": "[PAD]", "key": "loss_1234567"},
        "max_tokens": 512, "token": "abcd1234efgh", "password": "", "secret_name": "projects/abc1", "use_secret": True,
    }  # fmt: skip
    assert Firewall({}).value(config) == config | {
        "api_key": "[masked: api_key]", "db": {"password": "[masked: password]", "user": "bob"},
        "secrets": ["[masked: secrets]", {"a": "[masked: secrets]"}], "apiKey": "[masked: apiKey]",
        "pin_password": "[masked: pin_password]", "token": "[masked: token]",
    }  # fmt: skip


def test_numbers_are_not_touched() -> None:
    row = {"loss": 0.5, "acc": 1, "n": -3, "flag": True, "nan": "NaN"}
    assert Firewall({}).value(row) == row


def test_what_is_too_deep_is_cut_as_records_cut_it() -> None:
    value: Any = TOKEN
    for _ in range(5000):
        value = [value]
    assert TOKEN not in str(Firewall({}).value(value))


def test_the_users_own_patterns_are_masked() -> None:
    made = firewall()
    assert made.text("see proj-1234, internal") == "see [masked: --mask], [masked: --mask]"
    assert made.take_fact() == {"name": "masked", "value": {"count": 2, "kinds": {"--mask": 2}}}
    assert made.take_fact() is None


@pytest.mark.parametrize(
    "pattern", ["(", "[a", "*", "", "a*", "(a+)+$", "(?:x*y?)*z", r"(\w+\s?)+:", "(a|b+)*c", "\\"]
)
def test_a_pattern_that_cannot_be_used_is_refused_with_a_hint(pattern: str) -> None:
    with pytest.raises(UsageError) as caught:
        Firewall({}, [pattern])
    assert "--mask" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "pattern", ["corp-[a-z]{3}", r"\bX\d+\b", "(?i)acme[^ ]*", "(ab){2,4}c+", "x(?:a|b)+"]
)
def test_an_ordinary_pattern_is_taken(pattern: str) -> None:
    Firewall({}, [pattern])


def test_a_private_key_in_a_patch_leaves_the_lines_of_the_patch() -> None:
    key = [
        "-----BEGIN PRIVATE KEY-----",
        "MIIEpAIBAAKCAQEA7bq3n9Jx0PlYw8kQm2v",
        "a" * 30 + "1",
        "-----END PRIVATE KEY-----",
    ]
    patch = "@@ -0,0 +1,5 @@\n" + "".join(f"+{line}\n" for line in key) + "+last\n"
    masked = Firewall({}).data(patch.encode()).decode()
    assert masked == "@@ -0,0 +1,5 @@\n+[masked: private key]\n+\n+\n+\n+last\n"


@pytest.mark.parametrize("piece", sorted({*PIECES, "://a:b@", "://", "password ", "wandb ", "Bearer a", "_", "--", "key=",
    "-----BEGIN PRIVATE KEY-----\nabc1", "eyJaaaaaaaaaaaaaaaaaaaa.", "a:", "sk-proj-", "secret_", "authorization:", "sig=a"}))  # fmt: skip
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * (200_000 // len(piece)))[:200_000]
    began_s = time.thread_time()
    Firewall({"DB_PASSWORD": "hunter2-value"}).text(
        "ghp_ AKIA sk- password= :// @ eyJ PRIVATE KEY wandb " + text
    )
    assert time.thread_time() - began_s < 10  # what is not linear takes hours


def test_where_there_is_no_sign_the_patterns_are_not_even_loaded() -> None:
    code = (
        "import sys; from runwrap.secrets.firewall import Firewall; f = Firewall({'HOME': '/x', 'DB_PASSWORD': 'hunter2-x'});"
        "f.words(['python', 'train.py', '--lr=0.1', '--max-tokens=512']); f.value({'lr': 0.1, 'model': {'name': 'bert'}});"
        "print('re' in sys.modules, 'runwrap.secrets.shapes' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"], capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.split() == ["False", "False"]
