"""Conducts the secret firewall: finds what must not reach the disk, and puts a mask in its place."""

from __future__ import annotations

from runwrap.secrets.signs import MASK_BEGIN, has_sign, has_stem, mask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from runwrap.secrets.shapes import Span

USERS_KIND = "--mask"
SHORTEST_VALUE, LONGEST_VALUE, MOST_VALUES = 8, 10_000, 200
# Beyond this records have "..." too.
DEEPEST = 100
# A mask may be a boundary by which another secret is seen; nothing sensible needs a third look.
MOST_LOOKS = 5
FACT = "masked"
LEAST_NUMBER = 10_000_000
LONGEST_HARMLESS, MOST_HARMLESS = 100, 2000
WANDB_LENGTH = 40
HEXADECIMAL = frozenset("0123456789abcdef")


class Firewall:
    """Masks the secrets of one run. Threads: any.

    `environ` gives the values of variables whose names look secret, `patterns` are the user's own.
    Raises: UsageError, where a pattern is none.
    """

    def __init__(self, environ: Mapping[str, str], patterns: Sequence[str] = ()) -> None:
        self.values = known_values(environ)
        self.patterns = own_patterns(patterns) if patterns else []
        self.counts: dict[str, int] = {}
        # Short texts without a sign or a stem: names and words come again in every row.
        self.harmless: set[str] = set()

    def text(self, text: str) -> str:
        """Return a text with its secrets masked."""
        if text in self.harmless:
            return text
        if not self.patterns and not has_sign(text, self.values):
            self.remember(text)
            return text
        from runwrap.secrets import places

        for _ in range(MOST_LOOKS):
            spans = self.find(text)
            if not spans:
                break
            text = places.replaced(text, spans)
            for _, _, kind in spans:
                self.count(kind)
        return text

    def remember(self, text: str) -> None:
        """Keep that a short text is harmless, among so many and no more."""
        if len(text) <= LONGEST_HARMLESS and not has_stem(text.lower()):
            if len(self.harmless) >= MOST_HARMLESS:
                self.harmless = set()
            self.harmless.add(text)

    def find(self, text: str) -> list[Span]:
        """Return where secrets stand in a text, in order, and of which kind they are."""
        from runwrap.secrets import places, shapes

        found = [*shapes.find(text)]
        for value, name in self.values.items():
            start = text.find(value)
            while start >= 0:
                found.append((start, start + len(value), f"value of {name}"))
                start = text.find(value, start + len(value))
        for pattern in self.patterns:
            found += [(*match.span(), USERS_KIND) for match in pattern.finditer(text) if match[0]]
        return places.merged(found, places.masks_in(text)) if found else []

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
                return {self.key(key): self.item(key, item, depth, name) for key, item in value.items()}
            return [self.value(item, depth + 1, name) for item in value]
        if name and type(value) is int and value >= LEAST_NUMBER and "pass" in name.lower():
            return self.covered(name)
        return value

    def key(self, key: Any) -> Any:
        """Return the name of a value with its secrets masked."""
        return self.text(key) if isinstance(key, str) else key

    def item(self, key: object, value: Any, depth: int, around: str) -> Any:
        """Return what stands below a name with its secrets masked; nobody asks what numbers are called."""
        if type(value) is float or value is None:
            return value
        if type(value) is str and not around and key in self.harmless:
            return self.text(value)  # a name without a stem is none of a secret
        return self.value(value, depth + 1, secret_name(key, around))

    def named(self, name: str, value: str) -> str:
        """Return the value of something whose name says that it is a secret."""
        from runwrap.secrets.names import can_be_secret, strength

        if not can_be_secret(value, strength(name) > 1) or MASK_BEGIN in value:
            return self.text(value)
        return self.covered(name)

    def covered(self, name: str) -> str:
        """Return what stands for the value of a name, and count it."""
        from runwrap.secrets.names import label_of

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
            elif equals and not self.patterns and " " not in word:
                # The name says nothing: --max-tokens=512 is not to load the patterns.
                masked.append(f"{self.text(key)}={self.text(value)}")
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
    if not isinstance(key, str) or not has_stem(key[-LONGEST_VALUE:].lower()) or MASK_BEGIN in key:
        return around
    from runwrap.secrets.names import strength

    return key if strength(key) else around


def known_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the values of variables whose names look secret, the longest first, with those names."""
    found: dict[str, str] = {}
    for name, value in environ.items():
        fits = SHORTEST_VALUE <= len(value) <= LONGEST_VALUE and value[0] not in "/~"
        if fits and (has_stem(name.lower()) or name.endswith("_PAT")):
            from runwrap.secrets.names import can_be_secret, label_of, variable_strength

            sure = variable_strength(name)
            if sure and can_be_secret(value, sure > 1):
                found[value] = label_of(name)
    return dict(sorted(found.items(), key=lambda item: -len(item[0]))[:MOST_VALUES])


def own_patterns(patterns: Sequence[str]) -> list[Any]:
    """Return the user's patterns, ready for use. Raises: UsageError."""
    from runwrap.secrets.pattern import compiled

    return [compiled(pattern) for pattern in patterns]
