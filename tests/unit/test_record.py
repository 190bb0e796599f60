"""A record survives its line, and a damaged line is known as one."""

from __future__ import annotations

import json
import math
import string
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwrap.record import BadLineError, Record, decode, encode, new_run_id, new_run_name

if TYPE_CHECKING:
    from collections.abc import Callable

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
records = st.builds(
    Record, st.integers(1, 2**53), st.floats(0, 4e9), texts, st.dictionaries(texts, values, max_size=5)
)


@given(records)
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    assert decode(encode(record)) == record


@given(records)
def test_a_record_is_one_line_of_ascii_json_that_others_can_read(record: Record) -> None:
    line = encode(record)
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert json.loads(line)["data"] == record.data


@given(records)
def test_the_check_covers_all_that_stands_before_it(record: Record) -> None:
    head, _, check = encode(record).rpartition(b',"c":"')
    assert int(check[:8], 16) == zlib.crc32(head)


@given(records, st.data())
def test_a_changed_byte_is_noticed(record: Record, data: st.DataObject) -> None:
    line = bytearray(encode(record)[:-1])
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadLineError):
        decode(bytes(line))


@given(st.binary(max_size=200))
def test_no_bytes_at_all_do_more_than_be_refused(line: bytes) -> None:
    with pytest.raises(BadLineError):
        decode(line)


def test_numbers_that_json_lacks_are_words() -> None:
    line = encode(Record(1, 2.0, "history", {"a": math.nan, "b": [math.inf, -math.inf]}))
    assert decode(line).data == {"a": "NaN", "b": ["Infinity", "-Infinity"]}


def test_a_word_that_is_no_json_is_refused_though_its_check_fits() -> None:
    head = b'{"seq":1,"time":2.0,"kind":"x","data":{"a":NaN}'
    with pytest.raises(BadLineError, match="NaN"):
        decode(head + b',"c":"%08x"}' % zlib.crc32(head))


@pytest.mark.parametrize(
    "body", [b"[]", b'{"seq":1', b'{"seq":"1","time":1,"kind":"x","data":{}', b"[" * 100_000]
)
def test_what_is_checked_and_still_no_record_is_refused(body: bytes) -> None:
    with pytest.raises(BadLineError):
        decode(body + b',"c":"%08x"}' % zlib.crc32(body))


def test_half_characters_are_replaced() -> None:
    assert decode(encode(Record(1, 2.0, "x", {"\udcff": "a\udcffb"}))).data == {"\ufffd": "a\ufffdb"}


def test_numbers_that_only_look_like_numbers_are_taken_as_such() -> None:
    class Real(float):
        pass

    assert decode(encode(Record(1, 2.0, "x", {"a": Real(0.5), "b": (1, 2), "c": {1: True}}))).data == {
        "a": 0.5,
        "b": [1, 2],
        "c": {"1": True},
    }


@given(st.lists(st.integers(0, 2**41), min_size=2, max_size=20))
def test_ids_sort_by_time(times_ms: list[int]) -> None:
    ids = [new_run_id(time_ms / 1000) for time_ms in sorted(set(times_ms))]
    assert ids == sorted(ids)
    assert all(set(one) <= set(string.ascii_lowercase + string.digits) and len(one) == 13 for one in ids)


def test_ids_made_at_once_differ() -> None:
    assert len({new_run_id(1.0) for _ in range(200)}) > 190


def test_names_are_two_words_and_a_number() -> None:
    adjective, noun, number = new_run_name().split("-")
    assert adjective.isalpha()
    assert noun.isalpha()
    assert number.isdigit()


def test_an_integer_of_any_size_comes_through() -> None:
    most = 2**2047 - 1
    assert decode(encode(Record(1, 2.0, "x", {"a": most, "b": -most}))).data == {"a": most, "b": -most}
    assert decode(encode(Record(1, 2.0, "x", {"a": 10**9000}))).data == {"a": hex(10**9000)}


@pytest.mark.parametrize("make", [lambda inner: [inner], lambda inner: {"k": inner}, lambda inner: (inner,)])
def test_what_is_nested_without_end_is_cut_off(make: Callable[[object], object]) -> None:
    value: object = 1
    for _ in range(50_000):
        value = make(value)
    line = encode(Record(1, 2.0, "x", {"deep": value}))
    assert b'"..."' in line
    assert encode(decode(line)) == line


def test_numbers_beyond_a_float_in_a_foreign_line_are_words_again_when_written() -> None:
    head = b'{"seq":1,"time":2.0,"kind":"x","data":{"a":1e999,"b":"\\ud800"}'
    record = decode(head + b',"c":"%08x"}' % zlib.crc32(head))
    assert decode(encode(record)).data == {"a": "Infinity", "b": "\ufffd"}


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), anything, max_size=4))
def test_whatever_is_written_is_read_and_written_alike(data: dict[str, object]) -> None:
    line = encode(Record(1, 2.0, "x", data))
    assert encode(decode(line)) == line


@pytest.mark.parametrize(
    "body",
    [
        b'{"seq":0,"time":1,"kind":"x","data":{}}',
        b'{"seq":true,"time":1,"kind":"x","data":{}}',
        b'{"seq":9223372036854775808,"time":1,"kind":"x","data":{}}',
        b'{"seq":1,"time":1e999,"kind":"x","data":{}}',
        b'{"seq":1,"time":-1,"kind":"x","data":{}}',
        b'{"seq":1,"time":253402300800,"kind":"x","data":{}}',
        b'{"seq":1,"time":1,"kind":1,"data":{}}',
        b'{"seq":1,"time":1,"kind":"x","data":[]}',
        b'{"seq":1,"time":1,"kind":"x"}',
        b'{"seq":1,"time":1,"kind":"x","data":{}}}',
        b'{"seq":1,"time":1,"kind":"\xff","data":{}}',
    ],
)
def test_what_no_record_can_say_is_refused(body: bytes) -> None:
    with pytest.raises(BadLineError):
        decode(body[:-1] + b',"c":"%08x"}' % zlib.crc32(body[:-1]))
