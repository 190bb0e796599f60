"""One line of a terminal's output, as far as it can be read without a terminal."""

from __future__ import annotations

import re
import unicodedata

# What is not plain text.
UNUSUAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# One control sequence, also one that is cut off, or a control character that shows nothing.
SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)(?P<parameters>[0-?]*)(?P<between>[ -/]*)(?P<final>[@-~]|$|(?=[^ -~]))"
    "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c|(?=\x1b)|$)"
    "|\x1b(?P<plain>[78DEM])|\x1b[ -/]*(?:[0-~]|$|(?=[^ -~]))"
    "|[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"
)
CUT_OFF = re.compile("\x1b(?:\\[[0-?]*[ -/]*|[\\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)$")
ENTER_OTHER, LEAVE_OTHER = (re.compile(rf"\x1b\[\?(?:1049|1047|47){final}") for final in "hl")

STYLE, STYLE_RESET = re.compile("\x1b\\[[0-9;:]*m"), re.compile("\x1b\\[0*m")
MANY_STYLES = re.compile("(?:\x1b\\[[0-9;:]*m){20}")
ERASE, ERASE_ALL = re.compile("\x1b\\[[02]?K"), "\x1b[2K"
# What is more than a style, an erasing to the end, or a return to the start, and needs a screen.
MOVING = re.compile("\x08|\x1b(?!\\[[0-9;:]*m|\\[[02]?K)")
BACK_TO_START = re.compile("\x08+\r")

STYLE_PARAMETERS = re.compile(r"(?:\d{0,4}[;:])*\d{0,4}")
TWO_NUMBERS = re.compile(r"\d{0,4}(?:;\d{0,4})?")
ONE_NUMBER = re.compile(r"\d{0,4}")
MOVES = frozenset("ABCDEFGLMPX@`ade")
ERASERS = {"J": ("", "0", "1", "2", "3"), "K": ("", "0", "1", "2")}
REMEMBER = {"s": "\x1b7", "u": "\x1b8"}

# Characters that surely take one cell each; others are looked up.
NOT_NARROW = re.compile("[^\x20-\x7e\xa0-\xac\xae-\u02ff\u2010-\u2027\u2190-\u2319\u2500-\u25fc]")


def cleaned(line: str, *, colour: bool) -> str:
    """Return a line with no more in it than moves the cursor, erases, and, if wanted, colours."""

    def kept(found: re.Match[str]) -> str:
        final = found["final"]
        if final is None:
            return found[0] if found["plain"] else ""
        parameters = found["parameters"]
        if found["between"] or not is_kept(final, parameters, colour=colour):
            return ""
        return REMEMBER.get(final) or f"\x1b[{parameters}{final}"

    return SEQUENCE.sub(kept, line)


def is_kept(final: str, parameters: str, *, colour: bool) -> bool:
    """Tell whether a sequence means something here, with as many parameters as it takes."""
    if final == "m":
        return colour and bool(STYLE_PARAMETERS.fullmatch(parameters))
    if final in ERASERS:
        return parameters in ERASERS[final]
    if final in REMEMBER:
        return not parameters
    if final in ("H", "f"):
        return bool(TWO_NUMBERS.fullmatch(parameters))
    return final in MOVES and bool(ONE_NUMBER.fullmatch(parameters))


def shortened(line: str) -> str:
    """Return a line without what has been overwritten since, between one return to its start and the next."""
    if "\r" not in line or "\t" in line:
        return line
    parts = BACK_TO_START.sub("\r", line).split("\r")
    kept: list[str] = []
    covered, erased = -1, False
    while parts:
        part = parts.pop()
        before, erase, after = part.rpartition(ERASE_ALL)
        if MOVING.search(part) or (erase and width_of(before)):
            return "\r".join([*parts, part, *reversed(kept)])
        width = width_of(after)
        if width > covered and not erased:
            kept.append(part)
            covered = width
        else:
            kept[-1] = traces_of(part, kept[-1], erased=erased) + kept[-1]
        erased = erased or bool(ERASE.search(part))
    return "\r".join(reversed(kept))


def traces_of(part: str, after: str, *, erased: bool) -> str:
    """Return what an overwritten part leaves: an empty rest of the line, and a style."""
    erase = ERASE_ALL if not erased and ERASE.search(part) else ""
    if STYLE_RESET.match(after.removeprefix(ERASE_ALL)) or MANY_STYLES.match(after.removeprefix(ERASE_ALL)):
        return erase
    styles = STYLE.findall(part)
    last_reset = max((at for at, style in enumerate(styles) if STYLE_RESET.fullmatch(style)), default=0)
    return erase + "".join(styles[last_reset:])


def flattened(line: str) -> str | None:
    """Return a line as it stands in the end, where that can be told without a screen."""
    if not UNUSUAL.search(line):
        return line
    parts = line.split("\r")
    if MOVING.search(line) or any(width_of(part.rpartition(ERASE_ALL)[0]) for part in parts):
        return None
    parts = [ERASE.sub("", part) for part in parts]
    if len(parts) > 1 and NOT_NARROW.search("".join(parts)):
        return None
    text = ""
    for part in parts:
        text = part + text[len(part) :]
    return text


def width_of(part: str) -> int:
    """Return how many cells a part takes; combining characters take none, East Asian ones two."""
    text = ERASE.sub("", STYLE.sub("", part)) if "\x1b" in part else part
    if not NOT_NARROW.search(text):
        return len(text)
    return sum(map(cells_of, text))


def cells_of(character: str) -> int:
    """Return how many cells a character takes."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
