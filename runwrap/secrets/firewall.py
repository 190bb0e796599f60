"""Conducts the secret firewall: finds what must not reach the disk, and puts a mask in its place."""

from __future__ import annotations

from runwrap.errors import UsageError
from runwrap.secrets.names import can_be_secret, label_of, strength, variable_strength
from runwrap.secrets.signs import has_sign, has_stem

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Mapping
    from typing import Any

    from runwrap.secrets.shapes import Span

MASK_BEGIN = "[masked: "
USERS_KIND = "--mask"
HINT = "give a regular expression as Python has them, without repeats inside of repeats"
SHORTEST_VALUE, LONGEST_VALUE, MOST_VALUES = 8, 10_000, 200
# Beyond this records have "..." too.
DEEPEST = 100
# A mask may be a boundary by which another secret is seen; nothing sensible needs a third look.
MOST_LOOKS = 5
FACT = "masked"
WANDB_LENGTH = 40
HEXADECIMAL = frozenset("0123456789abcdef")
# What repeats more often than this may as well repeat for ever.
MOST_OPTIONAL = 10


class Firewall:
    """Masks the secrets of one run. Threads: any.

    `environ` gives the values of variables whose names look secret, `patterns` are the user's own.
    Raises: UsageError, where a pattern is none.
    """

    def __init__(self, environ: Mapping[str, str], patterns: Iterable[str] = ()) -> None:
        self.values = known_values(environ)
        self.patterns = [compiled(pattern) for pattern in patterns]
        self.counts: dict[str, int] = {}

    def text(self, text: str) -> str:
        """Return a text with its secrets masked."""
        if not self.patterns and not has_sign(text, self.values):
            return text
        for _ in range(MOST_LOOKS):
            spans = self.find(text)
            if not spans:
                break
            text = replaced(text, spans)
            for _, _, kind in spans:
                self.count(kind)
        return text

    def find(self, text: str) -> list[Span]:
        """Return where secrets stand in a text, in order, and of which kind they are."""
        from runwrap.secrets import shapes

        found = [*shapes.find(text)]
        for value, name in self.values.items():
            start = text.find(value)
            while start >= 0:
                found.append((start, start + len(value), f"value of {name}"))
                start = text.find(value, start + len(value))
        for pattern in self.patterns:
            found += [(*match.span(), USERS_KIND) for match in pattern.finditer(text) if match[0]]
        return merged(found, masks_in(text)) if found else []

    def data(self, data: bytes) -> bytes:
        """Return the content of a patch or another file with its secrets masked, byte for byte else."""
        text = data.decode("utf-8", "surrogateescape")
        masked = self.text(text)
        return data if masked == text else masked.encode("utf-8", "surrogateescape")

    def value(self, value: Any, depth: int = 0, name: str = "") -> Any:
        """Return what JSON can say with its secrets masked, also by the names of its keys."""
        if isinstance(value, str):
            return self.named(name, value) if name else self.text(value)
        if isinstance(value, (dict, list, tuple)):
            if depth > DEEPEST:
                return "..."
            if isinstance(value, dict):
                return {
                    self.text(key) if isinstance(key, str) else key: self.value(
                        item, depth + 1, secret_name(key, name)
                    )
                    for key, item in value.items()
                }
            return [self.value(item, depth + 1, name) for item in value]
        is_digits = name and type(value) is int and abs(value) >= 10**SHORTEST_VALUE
        return self.named(name, str(value)) if is_digits else value

    def named(self, name: str, value: str) -> str:
        """Return the value of something whose name says that it is a secret."""
        if not can_be_secret(value, strength(name) > 1) or MASK_BEGIN in value:
            return self.text(value)
        self.count(label_of(name))
        return mask(label_of(name))

    def words(self, words: list[str]) -> list[str]:
        """Return a command line with its secrets masked; the word behind --password is one."""
        masked = []
        name = ""
        logs_in = "login" in words and any(word.endswith("wandb") for word in words)
        for word in words:
            key, equals, value = word.partition("=")
            if name and not word.startswith("-"):
                masked.append(self.named(name, word))
            elif equals and (found := secret_name(key.lstrip("-"))) and " " not in key:
                masked.append(f"{key}={self.named(found, value)}")
            elif logs_in and len(word) == WANDB_LENGTH and HEXADECIMAL.issuperset(word):
                masked.append(mask("wandb key"))
                self.count("wandb key")
            else:
                masked.append(self.text(word))
            name = secret_name(word.lstrip("-")) if word.startswith("-") and not equals else ""
        return masked

    def count(self, kind: str) -> None:
        """Count a secret that was masked."""
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def take_fact(self) -> dict[str, object] | None:
        """Return the data of a `fact` record about what was masked since the last time, if anything was."""
        kinds, self.counts = self.counts, {}
        return {"name": FACT, "value": {"count": sum(kinds.values()), "kinds": kinds}} if kinds else None


def secret_name(key: object, around: str = "") -> str:
    """Return a name if it, or that around it, says that its value is a secret."""
    if isinstance(key, str) and len(key) < LONGEST_VALUE and has_stem(key.lower()) and strength(key):
        return key
    return around


def known_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the values of variables whose names look secret, the longest first, with those names."""
    found = {}
    for name, value in environ.items():
        if has_stem(name.lower()) or name.endswith("PAT"):
            sure = variable_strength(name)
            fits = SHORTEST_VALUE <= len(value) <= LONGEST_VALUE
            if sure and fits and can_be_secret(value, sure > 1):
                found[value] = label_of(name)
    return dict(sorted(found.items(), key=lambda item: -len(item[0]))[:MOST_VALUES])


def compiled(pattern: str) -> re.Pattern[str]:
    """Return the user's pattern, ready for use. Raises: UsageError."""
    import re

    try:
        made = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"--mask {pattern!r} is no regular expression: {error}", HINT) from None
    if made.search(""):
        raise UsageError(f"--mask {pattern!r} fits where nothing is", HINT)
    if has_repeats_within(pattern):
        raise UsageError(f"--mask {pattern!r} could take for ever: it repeats what repeats", HINT)
    return made


def has_repeats_within(pattern: str) -> bool:
    """Tell whether something repeats without end inside of something that repeats without end."""
    try:
        from re import _parser as parser  # type: ignore[attr-defined,unused-ignore]
    except ImportError:  # Python 3.10
        import sre_parse as parser  # type: ignore[no-redef,unused-ignore]
    return nested(parser.parse(pattern), inside=False)


def nested(part: Any, *, inside: bool) -> bool:
    """Look for an open repeat within another, in what the parser of patterns has made."""
    if isinstance(part, (list, tuple)) or type(part).__name__ == "SubPattern":
        parts = list(part)
        if len(parts) == 2 and str(parts[0]) in ("MAX_REPEAT", "MIN_REPEAT"):  # noqa: PLR2004  # (what, how)
            least, most, what = parts[1]
            is_open = most - least > MOST_OPTIONAL
            return (is_open and inside) or nested(what, inside=inside or is_open)
        return any(nested(item, inside=inside) for item in parts)
    return False


def mask(kind: str) -> str:
    """Write what stands in the place of a secret."""
    return f"{MASK_BEGIN}{kind}]"


def masks_in(text: str) -> list[tuple[int, int]]:
    """Return where masks stand already."""
    found = []
    start = text.find(MASK_BEGIN)
    while start >= 0:
        end = text.find("]", start, start + 100)
        found.append((start, end + 1 if end > 0 else start + len(MASK_BEGIN)))
        start = text.find(MASK_BEGIN, found[-1][1])
    return found


def merged(spans: list[Span], masks: list[tuple[int, int]]) -> list[Span]:
    """Return spans without overlaps, in order, and without what is masked already."""
    joined: list[Span] = []
    for start, end, kind in sorted(spans, key=lambda span: span[0]):
        if joined and start < joined[-1][1]:
            before = joined[-1]
            joined[-1] = (before[0], max(before[1], end), before[2])
        else:
            joined.append((start, end, kind))
    return list(clipped(joined, masks)) if masks else joined


def clipped(spans: list[Span], masks: list[tuple[int, int]]) -> Iterable[Span]:
    """Yield what spans cover beside the masks; both are in order."""
    place = 0
    for start, end, kind in spans:
        while place < len(masks) and masks[place][1] <= start:
            place += 1
        at, later = start, place
        while later < len(masks) and masks[later][0] < end:
            if at < masks[later][0]:
                yield at, masks[later][0], kind
            at = max(at, masks[later][1])
            later += 1
        if at < end:
            yield at, end, kind


def replaced(text: str, spans: list[Span]) -> str:
    """Return a text with masks for spans; a private key keeps its lines, as patches count them."""
    parts = []
    done = 0
    for start, end, kind in spans:
        parts += [text[done:start], mask(kind)]
        if kind == "private key":
            lines = text[start:end].split("\n")[1:]
            parts += ["\n" + line[: line[:1] in ("+", "-", " ")] for line in lines]
        done = end
    return "".join(parts) + text[done:]
