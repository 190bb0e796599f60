"""One record: a checked JSON line, the same on disk and on the wire."""

from __future__ import annotations

import os
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = (
    "run", "init", "fact", "config", "history", "metric", "summary", "system", "output", "file",
    "note", "tag", "alert", "notice", "exit",
)  # fmt: skip
STATES = ("running", "finished", "failed", "killed", "crashed")

# Beyond these others may refuse a line: Python limits the digits of a number, jq the depth.
LONGEST_INT_BITS = 2048
DEEPEST = 100
LAST_SEQ = 2**63 - 1
LAST_TIME_S = 253402300800  # the year 10000

CHECK_MARK = b',"c":"'
CHECK_LENGTH = len(b',"c":"00000000"}')
ID_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
ADJECTIVES = (
    "amber bold brave bright brisk calm clear cosy crisp dapper eager early fair fancy gentle glad "
    "golden grand happy hazel humble jolly keen kind light lively lucky mellow merry misty modest "
    "neat nimble noble pale plain proud quick quiet rapid ready royal rustic sandy sharp silent "
    "silver smart snowy solid steady still sunny sweet swift tidy vivid warm wise witty"
)
NOUNS = (
    "acorn alder badger beacon birch bison breeze brook canyon cedar cliff comet coral crane delta "
    "dune eagle ember falcon fern finch fjord forest fox garnet glade grove harbor hawk heron hill "
    "island ivy lake lark lemur lynx maple marsh meadow moon moth oak orchid otter owl panda pebble "
    "pine plover prairie quartz rain raven reef ridge river robin sparrow spruce stone swan thistle "
    "tide trout tulip valley willow wren"
)


class BadLineError(ValueError):
    """A line is no record: torn, damaged, or never one."""


class Record:
    """One thing that happened in a run; `time` is in Unix seconds."""

    __slots__ = ("data", "kind", "seq", "time")

    def __init__(self, seq: int, time: float, kind: str, data: dict[str, object]) -> None:
        self.seq = seq
        self.time = time
        self.kind = kind
        self.data = data

    def __eq__(self, other: object) -> bool:
        """Compare by value."""
        return isinstance(other, Record) and all(
            getattr(self, name) == getattr(other, name) for name in self.__slots__
        )

    __hash__ = None  # type: ignore[assignment]  # the data is a dict

    def __repr__(self) -> str:
        """Show the record as its line says it."""
        return f"Record({self.seq}, {self.time}, {self.kind!r}, {self.data!r})"


def refuse(word: object) -> None:
    """Refuse what JSON has no word for. Raises: ValueError."""
    raise ValueError(f"{word} is not JSON")


def make_encoder() -> Callable[[object], str]:
    """Make the encoder of the C accelerator alone: importing `json` costs half a Python start."""
    try:
        from _json import encode_basestring_ascii
        from _json import make_encoder as make
    except ImportError:
        import json

        return json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
    encode_chunks = make(None, refuse, encode_basestring_ascii, None, ":", ",", False, False, False)
    return lambda value: "".join(encode_chunks(value, 0))


class JsonRules:
    """What the standard library's JSON scanner is told."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(refuse)


def make_decoder() -> Callable[[str, int], tuple[object, int]]:
    """Make what reads one JSON value and says where it ends, without the import of `json` either."""
    try:
        from _json import make_scanner
    except ImportError:
        import json

        return json.JSONDecoder(parse_constant=refuse).raw_decode
    scan = make_scanner(JsonRules())  # type: ignore[arg-type]  # it takes anything with these attributes

    def decode_json(text: str, start: int) -> tuple[object, int]:
        try:
            return scan(text, start)
        except SystemError:  # before Python 3.12 it finds its own error only where `json` was imported
            raise ValueError("it is no JSON") from None

    return decode_json


encode_json = make_encoder()
decode_json = make_decoder()


def encode(record: Record) -> bytes:
    """Write a record as one line, its end included."""
    head = {"seq": record.seq, "time": record.time, "kind": record.kind, "data": clean(record.data)}
    line = encode_json(head).encode("ascii")[:-1]
    return b'%s%s%08x"}\n' % (line, CHECK_MARK, zlib.crc32(line))


def encode_raw(seq: int, time_s: float, kind: str, data: bytes) -> bytes:
    """Write a record whose data is JSON already: an object in ASCII without spaces between its parts."""
    line = b'{"seq":%d,"time":%s,"kind":"%s","data":%s' % (seq, repr(time_s).encode(), kind.encode(), data)
    return b'%s%s%08x"}\n' % (line, CHECK_MARK, zlib.crc32(line))


def clean(value: object, depth: int = 0) -> object:
    """Return a value as JSON can say it: NaN and infinities as words, no halves of characters.

    An integer of 2,048 bits or more becomes hexadecimal text, and what is nested 100 deep "...".
    """
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if value - value == 0 else word_of(value)
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int):
        return value if value.bit_length() < LONGEST_INT_BITS else hex(value)
    return clean_other(value, depth)


def clean_other(value: object, depth: int) -> object:
    """Return as JSON can say it what holds values, or is none of its kinds."""
    if isinstance(value, (dict, list, tuple)) and depth == DEEPEST:
        return "..."
    if isinstance(value, dict):
        return {clean_text(str(key)): clean(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item, depth + 1) for item in value]
    return clean_text(str(value))


def word_of(value: float) -> str:
    """Name a number that JSON has no digits for."""
    if value != value:  # noqa: PLR0124  # NaN is what differs from itself
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def clean_text(text: str) -> str:
    """Replace halves of surrogate pairs, which are no characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    return text


def decode(line: bytes) -> Record:
    """Read one line.

    Raises: BadLineError, with the reason.
    """
    line = line.rstrip(b"\n")
    head, tail = line[:-CHECK_LENGTH], line[-CHECK_LENGTH:]
    if not tail.startswith(CHECK_MARK) or not tail.endswith(b'"}'):
        raise BadLineError("no check at the end")
    if b"%08x" % zlib.crc32(head) != tail[len(CHECK_MARK) : -2]:
        raise BadLineError("the check does not fit")
    return from_json(head + b"}")


def from_json(text: bytes) -> Record:
    """Read a record out of checked JSON.

    Raises: BadLineError, where it is something else.
    """
    try:
        characters = text.decode()
        value, end = decode_json(characters, 0)
        record = Record(value["seq"], value["time"], value["kind"], value["data"])  # type: ignore[index]  # or a TypeError
    except (ValueError, KeyError, TypeError, StopIteration, RecursionError) as error:
        raise BadLineError(f"not a record: {error}") from error
    if end != len(characters) or not isinstance(record.kind, str) or not isinstance(record.data, dict):
        raise BadLineError("kind or data is of the wrong type")
    if type(record.seq) is not int or not 0 < record.seq <= LAST_SEQ:
        raise BadLineError("seq is no number that counts")
    if type(record.time) not in (int, float) or not 0 <= record.time < LAST_TIME_S:
        raise BadLineError("time is no moment")
    return record


def new_run_id(time_s: float) -> str:
    """Make a short id that sorts by time: 9 digits of milliseconds, 4 of chance."""
    number = (int(time_s * 1000) << 20) | (int.from_bytes(os.urandom(3), "big") & 0xFFFFF)
    digits = ""
    for _ in range(13):
        number, digit = divmod(number, 32)
        digits = ID_DIGITS[digit] + digits
    return digits


def new_run_name() -> str:
    """Make a name to say and to remember: adjective-noun-number."""
    adjectives, nouns = ADJECTIVES.split(), NOUNS.split()
    chance = int.from_bytes(os.urandom(4), "big")
    chance, adjective = divmod(chance, len(adjectives))
    chance, noun = divmod(chance, len(nouns))
    return f"{adjectives[adjective]}-{nouns[noun]}-{chance % 100}"
