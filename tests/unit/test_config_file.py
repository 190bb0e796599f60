"""Config comes from the files that people have: read as data, bounded, and with a clear error for what is none."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwrap.errors import SettingsError
from runwrap.launch.config_file import MOST_VALUES, read_config_file

YAML = """
lr: 1e-3
small: 1.5E+2
word: 12e
steps: 1_000
flag: yes
nothing: ~
when: 2026-01-31
model: {layers: [2, 3], name: "é"}
1: one
base: &base {a: 1}
more: {<<: *base, b: 2}
"""
READ = {
    "lr": 0.001, "small": 150.0, "word": "12e", "steps": 1000, "flag": True, "nothing": None, "when": "2026-01-31",
    "model": {"layers": [2, 3], "name": "é"}, "1": "one", "base": {"a": 1}, "more": {"a": 1, "b": 2},
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("c.yaml", YAML, READ),
        ("c.yml", "a: 1", {"a": 1}),
        ("hparams", "a: 1", {"a": 1}),
        ("c.json", '{"a": [1, {"b": null}], "n": NaN}', {"a": [1, {"b": None}], "n": "NaN"}),
        ("c.toml", "a = 1\n[b]\nc = 2026-01-31\n", {"a": 1, "b": {"c": "2026-01-31"}}),
    ],
)
def test_a_file_is_read_by_its_kind(tmp_path, name, text, values):
    (tmp_path / name).write_text(text)
    assert read_config_file(str(tmp_path / name)) == values


BOMB = "a: &a [x,x,x,x,x,x,x,x]\n" + "".join(
    f"{'abcdefgh'[i]}: &{'abcdefgh'[i]} [{','.join(['*' + 'abcdefgh'[i - 1]] * 8)}]\n" for i in range(1, 8)
)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("c.yaml", "a: [", "is no YAML: while parsing"),
        ("c.yaml", "- a\n- b\n", "holds no table"),
        ("c.yaml", "", "holds no table"),
        ("c.yaml", "just text", "holds no table"),
        ("c.yaml", 'a: !!python/object/apply:os.system ["true"]', "is no YAML: could not determine"),
        ("c.yaml", "a: &a [*a]", "too many within each other"),
        ("c.yaml", BOMB, f"more than {MOST_VALUES} values"),
        ("c.yaml", "a: " + "[" * 2000, "c.yaml"),
        ("c.json", '{"a": 1', "is no JSON: Expecting"),
        ("c.json", "[1]", "holds no table"),
        ("c.json", "[" * 100_000, "is no JSON"),
        ("c.toml", "a = ", "c.toml, line 1"),
        ("c.yaml", "a: " + "x" * (1 << 20), "holds more than 1048576 bytes"),
    ],
)
def test_what_is_no_config_is_a_clear_error(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_config_file(str(tmp_path / name))
    assert said in str(caught.value)
    assert "give a file" in caught.value.hint or "correct it" in caught.value.hint
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "bytes"])
def test_what_cannot_be_read_is_a_clear_error(tmp_path, kind):
    path = tmp_path / "c.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "bytes":
        path.write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(SettingsError, match=r"c\.yaml"):
        read_config_file(str(path))


@given(st.binary(max_size=300), st.sampled_from(["c.yaml", "c.json", "c.toml"]))
def test_whatever_a_file_holds_it_is_values_or_one_error(tmp_path_factory, content, name):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    try:
        assert isinstance(read_config_file(str(path)), dict)
    except SettingsError:
        pass
