"""CUDA_VISIBLE_DEVICES means to us what it means to CUDA."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwrap.capture.sampler.visible import visible_labels

NAMES = {
    "0": ("GPU-aa00",),
    "1": ("GPU-aa11",),
    "2": ("GPU-bb22",),
    "2.0": ("MIG-c0", "MIG-GPU-bb22/1/0"),
    "2.1": ("MIG-c1", "MIG-GPU-bb22/11/0"),
    "10": ("GPU-cc",),
}
EVERYTHING = set(NAMES)
TWO = {"2", "2.0", "2.1"}


@pytest.mark.parametrize(
    ("variable", "labels"),
    [
        (None, EVERYTHING),
        ("", set()),
        (" ", set()),
        ("-1", set()),
        ("none", set()),
        ("NoDevFiles", set()),
        ("0", {"0"}),
        ("1,0", {"0", "1"}),
        (" 1 , 0 ", {"0", "1"}),
        ("01", {"1"}),
        ("+1", {"1"}),
        ("1gpu,0x1", {"0", "1"}),  # as strtoul reads it
        ("0,-1,1", {"0"}),
        ("0,7,1", {"0"}),  # there is no 7
        ("0,,1", {"0"}),
        ("0,99999999999999999999999999,1", {"0"}),
        ("2", TWO),
        ("2.0", TWO),  # as strtoul reads it
        ("1,1", set()),  # twice the same is an error
        ("0,1,0", set()),
        ("\u0661", set()),  # a digit, but none of those
        ("\u00b2", set()),
        ("GPU-bb22", TWO),
        ("GPU-bb", TWO),
        ("GPU-aa", set()),  # two of them
        ("GPU-aa1,GPU-aa0", {"0", "1"}),
        ("GPU-aa1,GPU-aa", {"1"}),
        ("GPU-aa1,GPU-aa11", set()),
        ("GPU-aa1,0", {"1"}),  # one kind of name only
        ("0,GPU-aa1", {"0"}),
        ("GPU-", set()),
        ("gpu-aa11", set()),
        ("MIG-c1", {"2.1"}),
        ("MIG-c1,MIG-c0", {"2.0", "2.1"}),
        ("MIG-c", set()),
        ("MIG-GPU-bb22/1/0", {"2.0"}),
        ("MIG-GPU-bb22/11/0", {"2.1"}),
        ("MIG-GPU-bb22/5/0", set()),
    ],
)
def test_the_variable_means_what_cuda_takes_it_for(variable, labels):
    assert visible_labels(variable, NAMES, None) == labels


@pytest.mark.parametrize(
    ("variable", "order", "labels"),
    [
        ("1", None, None),
        ("1", "FASTEST_FIRST", None),
        ("1", "PCI_BUS_ID", {"1"}),
        ("GPU-aa11", None, {"1"}),  # a name is a name
        (None, None, EVERYTHING),
        ("", None, set()),
        ("3,0", None, set()),
        ("0,1,2", None, {"0", "1", "2", "2.0", "2.1"}),
    ],
)
def test_an_index_among_different_gpus_is_known_to_cuda_alone(variable, order, labels):
    names = NAMES if variable is None else {label: own for label, own in NAMES.items() if label != "10"}
    assert visible_labels(variable, names, order, is_mixed=True) == labels


@given(st.text() | st.from_regex(r"[0-9,\-+GPUMIabc12 /]{0,40}"))
def test_any_variable_names_gpus_that_exist(variable):
    seen = visible_labels(variable, NAMES, None)
    assert seen is not None
    assert seen <= EVERYTHING
    assert not ("2" in seen and not seen >= TWO)  # whole, with all its instances


@given(st.permutations(["0", "1", "2", "10"]), st.integers(0, 4))
def test_indices_name_what_they_say_in_any_order(labels, count):
    seen = visible_labels(",".join(labels[:count]), NAMES, None)
    assert seen is not None
    assert {label for label in seen if "." not in label} == set(labels[:count])


@given(st.lists(st.sampled_from(["GPU-aa00", "GPU-aa11", "GPU-bb22", "GPU-cc"]), unique=True), st.text())
def test_what_comes_after_a_word_that_is_no_gpu_is_not_seen(words, junk):
    junk = "GPU-x" + junk.replace(",", "")
    seen = visible_labels(",".join([*words, junk, "GPU-aa00"]), NAMES, None)
    assert seen == visible_labels(",".join(words), NAMES, None)
