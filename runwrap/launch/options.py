"""The one table of the launch options, and the fast reader of a command line."""

from __future__ import annotations

from runwrap.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

USAGE = "usage: runwrap [options] COMMAND [ARGS...]"
VERBS = frozenset(
    "runs show live logs note tag delete log config summary alert save scan doctor settings".split()  # noqa: SIM905  # read easily
)
VERB_FLAGS = frozenset({"-h", "--help", "--version", "--install-completion", "--show-completion"})
COMPLETION_VARIABLE = "_RUNWRAP_COMPLETE"

ID_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
LISTS = ("list", "words", "paths")
WANTED = dict.fromkeys(LISTS, "a list of text") | {
    "pairs": "a table",
    "flag": "yes or no",
    "number": "a number",
}
WORDS = ({"0", "false", "no", "off"}, {"1", "true", "yes", "on"})


class Option:
    """An option of the launch, which is also a variable and, mostly, a key in the settings files.

    Kinds: text, number, path, paths, flag, pairs (KEY=VALUE), list, and words (split at commas and spaces).
    """

    __slots__ = ("check", "flag", "help", "in_files", "kind", "metavar", "name", "variable")

    def __init__(
        self,
        name: str,
        kind: str,
        metavar: str,
        about: str,
        *,
        in_files: bool = True,
        check: Callable[[str], None] | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.metavar = metavar
        self.help = about
        self.in_files = in_files
        self.check = check
        self.flag = "--" + name.replace("_", "-")
        self.variable = "RUNWRAP_" + name.upper()

    @property
    def default(self) -> object:
        """Return the value where nothing gives one."""
        return [] if self.kind in LISTS else {"pairs": {}, "flag": False}.get(self.kind)

    def read(self, text: str) -> object:
        """Return what one occurrence on the command line says. Raises: ValueError with the reason."""
        if self.check:
            self.check(text)
        if self.kind == "words":
            return text.replace(",", " ").split()
        if self.kind in ("list", "paths"):
            return [text] if text else []
        return {"number": number, "pairs": pair}.get(self.kind, str)(text)

    def read_variable(self, text: str) -> object:
        """Return what the environment variable says. Raises: ValueError with the reason."""
        if self.kind == "flag":
            return truth(text)
        if self.kind in ("list", "paths"):
            return [line for line in text.splitlines() if line]
        return pairs(text) if self.kind == "pairs" else self.read(text)

    def read_key(self, value: object) -> object:
        """Return what a key of a settings file says. Raises: ValueError with the reason."""
        if self.kind == "flag" and isinstance(value, (bool, int, str)):
            return truth(str(value))
        if self.kind == "number" and isinstance(value, (int, float)) and not isinstance(value, bool):
            return self.read(str(value))
        if self.kind == "pairs" and isinstance(value, dict):
            return plain(value)
        if self.kind not in ("pairs", "flag") and isinstance(value, str):
            return self.read(value)
        if self.kind in LISTS and isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
        raise ValueError(f"wants {WANTED.get(self.kind, 'text')}, not {in_words(value)}")

    def add(self, before: object, text: str) -> object:
        """Return a value with one more occurrence: lists and pairs grow, of the rest the last counts."""
        value = self.read(text)
        if isinstance(before, list) and isinstance(value, list):
            return before + value
        if isinstance(before, dict) and isinstance(value, dict):
            return before | value
        return value


def truth(text: str) -> bool:
    """Read a flag's word. Raises: ValueError with the reason."""
    word = text.strip().lower()
    if word in WORDS[False] or word in WORDS[True]:
        return word in WORDS[True]
    raise ValueError("wants 1, true, yes or on, or 0, false, no or off")


def pair(text: str) -> dict[str, object]:
    """Read KEY=VALUE. Raises: ValueError with the reason."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ValueError("wants KEY=VALUE, for example lr=0.1")
    return {key.strip(): from_json(value)}


def pairs(text: str) -> dict[str, object]:
    """Read a JSON object, or KEY=VALUE pairs between white space. Raises: ValueError with the reason."""
    whole = from_json(text)
    if isinstance(whole, dict):
        return whole
    found: dict[str, object] = {}
    for word in text.split():
        found |= pair(word)
    return found


def from_json(text: str) -> object:
    """Return a value written as JSON, or the text itself where it is none."""
    stripped = text.strip(" \t\r\n")
    try:
        value, end = json_scanner()(stripped, 0)
    except (StopIteration, ValueError, RecursionError, SystemError):
        return text  # SystemError: the accelerator's ValueError, where nothing has imported `json`
    return value if end == len(stripped) else text


def json_scanner() -> Callable[[str, int], tuple[object, int]]:
    """Return what reads one JSON value; without the import of `json`, which would cost the launch 9 ms."""
    try:
        from _json import make_scanner
    except ImportError:  # an interpreter without the accelerator
        from json import JSONDecoder

        return JSONDecoder(parse_constant=str).raw_decode
    return make_scanner(JsonRules())  # type: ignore[arg-type]  # it takes anything with these attributes


class JsonRules:
    """What the standard library's JSON scanner is told."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = str  # NaN stays a word


def plain(value: object) -> object:
    """Return a TOML value as JSON has it: dates become text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def in_words(value: object) -> str:
    """Describe a TOML value in a message."""
    names = {bool: "yes or no", str: "text", list: "such a list", dict: "a table"}
    return names.get(type(value), str(value))


def filled(text: str) -> None:
    """Refuse an empty value. Raises: ValueError with the reason."""
    if not text.strip():
        raise ValueError("must not be empty")
    if "\0" in text:
        raise ValueError("must not hold a NUL character")


def run_id(text: str) -> None:
    """Refuse what cannot name a run. Raises: ValueError with the reason."""
    if not 1 <= len(text) <= 64 or text[0] in ".-" or not ID_LETTERS.issuperset(text):
        raise ValueError("wants 1 to 64 of the letters A-Z a-z 0-9 . _ - and starts with none of . and -")


def between(least: float, most: float) -> Callable[[str], None]:
    """Return what refuses a number out of bounds."""

    def check(text: str) -> None:
        if not least <= number(text) <= most:
            raise ValueError(f"wants {least:g} to {most:g}")

    return check


def number(text: str) -> float:
    """Read a number. Raises: ValueError with the reason."""
    try:
        return float(text)
    except ValueError:
        raise ValueError("wants a number") from None


OPTIONS: tuple[Option, ...] = (
    Option("project", "text", "NAME", "Project that the run belongs to.", check=filled),
    Option("name", "text", "NAME", "Name of the run.", in_files=False),
    Option("notes", "text", "TEXT", "What the run is about.", in_files=False),
    Option("tags", "words", "A,B", "Tags of the run; may be repeated."),
    Option("group", "text", "NAME", "Group of runs that belong together."),
    Option("job_type", "text", "NAME", "What the run does in its group: train, eval, ..."),
    Option("id", "text", "ID", "Id of the run (default: made up).", in_files=False, check=run_id),
    Option("resume", "flag", "", "Go on with the run of --id if there is one.", in_files=False),
    Option("dir", "path", "FOLDER", "Folder that all runs are kept in.", check=filled),
    Option("config", "pairs", "KEY=VALUE", "A value of the run's config, JSON or text; may be repeated."),
    Option("config_file", "paths", "FILE", "YAML, JSON or TOML file with config; may be repeated."),
    Option("metric", "list", "PATTERN", "Metrics in the output: regex, off, +word, -word; may be repeated."),
    Option("hooks", "words", "A,B", "Framework hooks: all, none, +name, -name; may be repeated."),
    Option("env_keep", "words", "NAME,GLOB*", "More environment variables to record; may be repeated."),
    Option("mask", "list", "REGEX", "Secrets of your own to be masked; may be repeated."),
    Option("no_inject", "flag", "", "Do not put anything into Python scripts."),
    Option("no_git", "flag", "", "Do not look at the git repository."),
    Option("no_system", "flag", "", "Do not sample CPU, memory and GPUs."),
    Option("system_interval", "number", "SECONDS", "Time between samples.", check=between(0.1, 3600)),
    Option("grid_co2", "number", "GRAMS", "CO2 of a kWh of your grid.", check=between(0, 10_000)),
    Option("offline", "flag", "", "Do not send anything to a server."),
    Option("pty", "flag", "", "Give redirected output a terminal (colours in CI)."),
    Option("quiet", "flag", "", "Say nothing about the run on the terminal."),
    Option("off", "flag", "", "Run the command untouched and record nothing.", in_files=False),
)
BY_FLAG = {option.flag: option for option in OPTIONS}


def parse(argv: list[str]) -> tuple[dict[str, object], list[str]]:
    """Read a command line: the values of the options that were given, and the command.

    Raises: UsageError.
    """
    given: dict[str, object] = {}
    index = 0
    while index < len(argv):
        word = argv[index]
        if word[:1] != "-" or word == "-":
            break
        index += 1
        if word == "--":
            break
        flag, equals, text = word.partition("=")
        option = BY_FLAG.get(flag) or unknown(flag)
        if option.kind == "flag":
            given[option.name] = alone(flag, equals)
            continue
        if not equals:
            if index == len(argv):
                raise UsageError(f"{flag} wants a value: {flag} {option.metavar}", USAGE)
            text = argv[index]
            index += 1
        given[option.name] = grown(option, given.get(option.name), text)
    if index == len(argv):
        raise UsageError("no command was given", USAGE)
    return given, argv[index:]


def grown(option: Option, before: object, text: str) -> object:
    """Return an option's value with one more occurrence. Raises: UsageError."""
    try:
        return option.add(before, text)
    except ValueError as error:
        raise UsageError(f"{option.flag} {text!r}: {error}", USAGE) from None


def alone(flag: str, equals: str) -> bool:
    """Return the value of a flag. Raises: UsageError, where it was given one."""
    if equals:
        raise UsageError(f"{flag} takes no value", USAGE)
    return True


def unknown(flag: str) -> Option:
    """Refuse an option that does not exist. Raises: UsageError with the nearest that does."""
    if flag in VERB_FLAGS:
        raise UsageError(f"{flag} stands alone", f"runwrap {flag}")
    from difflib import get_close_matches

    near = get_close_matches(flag, BY_FLAG, n=1)
    suggestion = f" (did you mean {near[0]}?)" if near else ""
    raise UsageError(f"unknown option {flag}{suggestion}", USAGE)


def is_verb(argv: list[str], environ: Mapping[str, str]) -> bool:
    """Tell whether a command line is for the verbs of runwrap and not a launch."""
    if environ.get(COMPLETION_VARIABLE):
        return True
    return bool(argv) and (argv[0] in VERBS or argv[0] in VERB_FLAGS)
