"""One table, two readers: the fast path and typer read every command line alike."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.main import get_command

from runwrap.cli.app import UsageFault, make_app
from runwrap.errors import UsageError
from runwrap.launch.options import (
    BY_FLAG,
    COMPLETION_VARIABLE,
    OPTIONS,
    VERBS,
    from_json,
    is_verb,
    parse,
)

FLAGS = sorted(BY_FLAG)
VALUES = [
    "",
    "x",
    "a,b",
    "a b",
    "lr=0.1",
    "=",
    "k=",
    "k=[1, 2]",
    "-",
    "--",
    "-x",
    "--pty",
    "runs",
    "python",
    "...",
]
Reading = tuple[dict[str, object], list[str]]


def bare_door() -> Any:
    """Make the typer command without verbs and without the options that leave at once."""
    door: Any = get_command(make_app())
    for verb in VERBS:
        del door.commands[verb]
    names = {option.name for option in OPTIONS}
    door.params = [param for param in door.params if param.name in names]
    door.add_help_option = False
    return door


DOOR = bare_door()


def read_with_typer(argv: list[str]) -> Reading | None:
    found: dict[str, Any] = {}
    try:
        DOOR.main(argv, prog_name="runwrap", standalone_mode=False, obj=found)
    except (UsageFault, UsageError):
        return None
    return found["given"], found["words"]


def read_fast(argv: list[str]) -> Reading | None:
    try:
        return parse(argv)
    except UsageError:
        return None


def words() -> st.SearchStrategy[str]:
    values = st.sampled_from(VALUES) | st.text(st.characters(exclude_characters="\0"), max_size=6)
    flags = st.sampled_from(FLAGS)
    misspelt = st.builds(lambda flag, cut: flag[:cut], flags, st.integers(1, 12))
    return flags | st.builds("{}={}".format, flags | misspelt, values) | misspelt | values


@settings(max_examples=400, deadline=None)
@given(st.lists(words(), max_size=8))
@example(["--", "--", "runs"])
@example(["--notes", "--", "--", "x"])
@example(["--pty="])
@example(["--id=/", "--id=x", "true"])
@example(["--=x", "y"])
@example(["-", "x"])
@example(["", "x"])
@example(["COMMAND", "COMMAND"])
@example(["--notes", "\udcff", "--tags=\udcff", "\udcfe"])
@example(["--config", "a=1", "--config=b=2", "--tags", "a,b", "--tags", "c d", "x", "--tags", "e"])
def test_typer_and_the_fast_reader_read_alike(argv: list[str]) -> None:
    assert read_fast(argv) == read_with_typer(argv)


def test_options_end_at_the_first_word_that_is_none() -> None:
    assert parse(["--pty", "python", "--pty", "--", "x"]) == ({"pty": True}, ["python", "--pty", "--", "x"])


def test_two_dashes_end_the_options_and_make_a_verb_a_command() -> None:
    assert parse(["--quiet", "--", "runs", "--json"]) == ({"quiet": True}, ["runs", "--json"])


def test_lists_grow_and_the_last_text_counts() -> None:
    line = [
        "--tags",
        "a,b",
        "--tags",
        "c d",
        "--name",
        "x",
        "--name=y",
        "--metric",
        "a, b",
        "--metric",
        "off",
        "true",
    ]
    assert parse(line)[0] == {"tags": ["a", "b", "c", "d"], "name": "y", "metric": ["a, b", "off"]}


def test_config_values_are_json_or_else_text() -> None:
    line = [
        "--config",
        "lr=0.1",
        "--config",
        "opt=adam",
        "--config",
        "sizes=[1, 2]",
        "--config",
        "eq=a=b",
        "true",
    ]
    assert parse(line)[0]["config"] == {"lr": 0.1, "opt": "adam", "sizes": [1, 2], "eq": "a=b"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        (" true ", True),
        ("null", None),
        ("1e-3", 0.001),
        ('"x"', "x"),
        ('{"a": {"b": [1]}}', {"a": {"b": [1]}}),
        ("01", "01"),
        (".5", ".5"),
        ("NaN", "NaN"),
        ("[1,", "[1,"),
        ("1 2", "1 2"),
        ("", ""),
        ("[" * 100_000, "[" * 100_000),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_what_is_no_json_stays_text(text: str, value: object) -> None:
    if text.startswith("9" * 5000) and not hasattr(sys, "get_int_max_str_digits"):
        pytest.skip("this Python reads integers of any length")
    assert from_json(text) == value


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([], "no command was given"),
        (["--pty"], "no command was given"),
        (["--pty", "--"], "no command was given"),
        (["--projct", "x", "true"], "unknown option --projct (did you mean --project?)"),
        (["--proj", "x", "true"], "unknown option --proj (did you mean --project?)"),
        (["-x", "true"], "unknown option -x"),
        (["--no-pty", "true"], "unknown option --no-pty (did you mean --pty?)"),
        (["--project"], "--project wants a value: --project NAME"),
        (["--pty=1", "true"], "--pty takes no value"),
        (["--config", "lr", "true"], "--config 'lr': wants KEY=VALUE, for example lr=0.1"),
        (["--config", "=1", "true"], "--config '=1': wants KEY=VALUE, for example lr=0.1"),
        (["--project=", "true"], "--project '': must not be empty"),
        (["--dir", " ", "true"], "--dir ' ': must not be empty"),
        (["--pty", "--help"], "--help stands alone"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(line: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line)
    assert str(caught.value) == message
    assert "\n" not in message + caught.value.hint
    assert caught.value.exit_code == 2
    assert caught.value.hint in ("usage: runwrap [options] COMMAND [ARGS...]", "runwrap --help")


def test_texts_may_be_empty_where_that_says_something() -> None:
    line = ["--notes", "", "--name=", "--group", "", "--tags", "", "true"]
    assert parse(line)[0] == {"notes": "", "name": "", "group": "", "tags": []}


@pytest.mark.parametrize("text", ["a", "9z", "A-b_c.1", "x" * 64])
def test_an_id_can_be_a_folder_name(text: str) -> None:
    assert parse(["--id", text, "true"])[0] == {"id": text}


@pytest.mark.parametrize("text", ["", ".", "..", ".a", "-a", "a/b", "a b", "é", "x" * 65, "a\n"])
def test_an_id_that_could_be_no_folder_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--id"):
        parse([f"--id={text}", "true"])


def test_arguments_that_are_not_utf8_are_kept() -> None:
    assert parse(["--notes", "\udcff", "prog", "\udcfe"]) == ({"notes": "\udcff"}, ["prog", "\udcfe"])


@pytest.mark.parametrize("word", [*sorted(VERBS), "-h", "--help", "--version", "--show-completion"])
def test_a_first_word_of_ours_is_for_the_verbs(word: str) -> None:
    assert is_verb([word], {})
    assert is_verb([word, "x"], {})


@pytest.mark.parametrize(
    "line", [[], ["--", "runs"], ["--pty", "runs"], ["python", "runs"], ["./runs"], ["-"], [""]]
)
def test_anything_else_is_a_launch(line: list[str]) -> None:
    assert not is_verb(line, {COMPLETION_VARIABLE: ""})


def test_a_shell_that_completes_is_for_the_verbs() -> None:
    assert is_verb([], {COMPLETION_VARIABLE: "complete_bash"})


def test_the_launch_path_imports_nothing_heavy() -> None:
    program = """if True:
        import sys
        before = set(sys.modules)
        from runwrap import settings
        from runwrap.launch import options
        import os
        given, command = options.parse(["--tags", "a", "--config", "lr=1", "true"])
        settings.load(given, {"HOME": "/", "RUNWRAP_PTY": "1"}, "/", options.OPTIONS)
        print(*sorted(set(sys.modules) - before))
    """
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    allowed = {"__future__", "_json", "runwrap", "runwrap.errors", "runwrap.launch", "runwrap.launch.options"}
    assert set(process.stdout.split()) <= allowed | {"runwrap.settings"}
