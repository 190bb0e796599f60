"""Look through the commands that only start another one (env, nice, timeout, sh -c, uv run, ...)."""

from __future__ import annotations

import os

from runwrap.capture.code.far_environment import cached_environment, has_own_packages, script_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

DEPTH_LIMIT = 8
# Command: its options that take a value in the next word, and how many words stand before the command.
PREFIXES: dict[str, tuple[tuple[str, ...], int]] = {
    "caffeinate": (("-t", "-w"), 0),
    "catchsegv": ((), 0),
    "chrt": (("-T", "-P", "-D"), 1),
    "command": ((), 0),
    "exec": (("-a",), 0),
    "ionice": (("-c", "-n"), 0),
    "nice": (("-n", "--adjustment"), 0),
    "nohup": ((), 0),
    "numactl": (("-N", "-m", "-C", "-i", "-p", "-P"), 0),
    "setsid": ((), 0),
    "stdbuf": (("-i", "-o", "-e", "--input", "--output", "--error"), 0),
    "sudo": (("-u", "-g", "-h", "-p", "-C", "-r", "-t", "-T", "-U", "-D", "-R"), 0),
    "taskset": ((), 1),
    "time": (("-f", "-o", "--format", "--output"), 0),
    "timeout": (("-k", "-s", "--kill-after", "--signal"), 1),
    "unbuffer": ((), 0),
    "xvfb-run": (("-e", "-f", "-n", "-p", "-s", "-w"), 0),
}
# These have too many options for a table: the command is the first word that is a Python or a Python file.
LAUNCHERS = frozenset(("horovodrun", "mpiexec", "mpirun", "orterun", "runwrap", "srun", "strace", "ltrace"))
SHELLS = frozenset(("ash", "bash", "dash", "ksh", "sh", "zsh"))
ENV_VALUES = ("-u", "--unset", "-C", "--chdir")
MANAGERS = frozenset(("uv", "poetry", "pipenv", "pdm", "hatch", "rye", "conda", "mamba", "micromamba"))
MANAGER_VALUES = (
    *("-p", "--python", "--with", "--extra", "--group", "--project", "--directory", "--env-file"),
    *("-n", "--name", "--prefix", "-e", "--env", "--cwd", "-C", "-P"),
)
PROJECT_FILES = ("pyproject.toml", "Pipfile", "uv.lock", "poetry.lock")


class Command:
    """Words to be executed, and the folder and the variables that they would be executed with."""

    __slots__ = ("cwd", "environ", "words")

    def __init__(self, words: list[str], cwd: str, environ: dict[str, str]) -> None:
        self.words = words
        self.cwd = cwd
        self.environ = environ

    def shortened(self, words: list[str]) -> Command:
        """Return other words in the same surroundings."""
        return Command(words, self.cwd, dict(self.environ))

    def put_first(self, folder: str) -> None:
        """Let the programs of a folder be found before all others."""
        self.environ["PATH"] = os.path.join(self.cwd, folder) + ":" + self.environ.get("PATH", os.defpath)


def commands(command: Command, depth: int = 0) -> Iterator[Command]:
    """Yield the commands that are executed in the end, in order; usually it is one."""
    if not command.words or depth > DEPTH_LIMIT:
        return
    name = os.path.basename(command.words[0])
    if name == "env":
        inner = [after_env(command)]
    elif name in PREFIXES:
        options, count = PREFIXES[name]
        inner = [command.shortened(after_options(command.words[1:], options)[count:])]
    elif name in MANAGERS:
        inner = after_manager(command, name)
    elif name in LAUNCHERS:
        inner = [command.shortened(from_python(command.words[1:]))]
    elif name in SHELLS and shell_script(command.words) is not None:
        inner = list(script_commands(shell_script(command.words) or "", command))
    else:
        yield command
        return
    for each in inner:
        yield from commands(each, depth + 1)


def is_python(word: str) -> bool:
    """Tell whether a word is named like a Python interpreter: python3.12, pypy3, python3.13t."""
    name = os.path.basename(word)
    for stem in ("python", "pypy"):
        if name.startswith(stem):
            return not name[len(stem) :].strip("0123456789.").strip("dtmw-")
    return False


def after_options(words: list[str], with_value: tuple[str, ...]) -> list[str]:
    """Drop the options at the front, and the values of those that take one."""
    index = 0
    while index < len(words) and words[index].startswith("-"):
        if words[index] == "--":
            return words[index + 1 :]
        index += 2 if words[index] in with_value else 1
    return words[index:]


def after_env(command: Command) -> Command:
    """Apply what env(1) was told: variables, another folder, a command line in one word (-S)."""
    words = list(command.words[1:])
    inner = command.shortened([])
    while words and words[0].startswith("-"):
        option = words.pop(0)
        value = words.pop(0) if option in ENV_VALUES and words else ""
        if option in ("-C", "--chdir"):
            inner.cwd = os.path.join(inner.cwd, value)
        elif option in ("-S", "--split-string") and words:
            words = words.pop(0).split() + words
        elif option.startswith("-S"):
            words = option[2:].split() + words
        elif option == "--":
            break
    inner.words = assign(words, inner.environ)
    return inner


def assign(words: list[str], environ: dict[str, str]) -> list[str]:
    """Take the NAME=VALUE words at the front as variables; return the others."""
    words = list(words)
    while words and words[0].partition("=")[0].isidentifier() and "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environ[name] = value
    return words


def from_python(words: list[str]) -> list[str]:
    """Start at the first word that is a Python, or a file in Python."""
    for index, word in enumerate(words):
        if is_python(word):
            return words[index:]
        if word.endswith(".py"):
            return ["python", *words[index:]]
    return []


def after_manager(command: Command, name: str) -> list[Command]:
    """Find the environment in which `uv run`, `conda run` and their like would run a command."""
    options, mark, rest = split_at(command.words[1:], "run")
    if not mark:
        return []
    inner_words = after_options(rest, MANAGER_VALUES)
    options += rest[: len(rest) - len(inner_words)]
    if inner_words and inner_words[0].endswith(".py"):
        inner_words = ["python", *inner_words]
    inner = command.shortened(inner_words or ["python"])
    if name.endswith(("conda", "mamba")):
        folder = conda_folder(options, command)
    elif name == "uv" and (script := own_script(inner)):
        folder = script_environment(script, command.environ)
    else:
        folder = project_folder(options, command, name)
        if folder is None and name == "uv":  # it takes the Python that a shell would find
            return [inner]
    if folder is None:
        return []
    inner.put_first(folder + "/bin")
    return [inner]


def own_script(command: Command) -> str:
    """Return the script of a command if it says which packages it needs, else ""."""
    path = os.path.join(command.cwd, "".join(command.words[1:2]))
    return path if path.endswith(".py") and has_own_packages(path) else ""


def split_at(words: list[str], mark: str) -> tuple[list[str], str, list[str]]:
    """Split words at the first that is `mark`, like str.partition."""
    if mark not in words:
        return words, "", []
    index = words.index(mark)
    return words[:index], mark, words[index + 1 :]


def option_value(words: list[str], *names: str) -> str:
    """Find the value of an option; "" when it was not given."""
    for index, word in enumerate(words):
        option, mark, value = word.partition("=")
        if option in names:
            return value if mark else "".join(words[index + 1 : index + 2])
    return ""


def project_folder(options: list[str], command: Command, name: str) -> str | None:
    """Find the environment of the project around the current folder, else the one that is active."""
    given = option_value(options, "--project", "--directory", "-C", "-P")
    folder = os.path.normpath(os.path.join(command.cwd, given))
    named = command.environ.get("UV_PROJECT_ENVIRONMENT", ".venv")
    active = command.environ.get("VIRTUAL_ENV")
    while "--no-project" not in options:
        found = os.path.join(folder, named)
        if any(os.path.exists(f"{folder}/{file}") for file in PROJECT_FILES):
            return (
                found if os.path.isdir(found) else cached_environment(name, folder, command.environ) or active
            )
        if os.path.isfile(found + "/pyvenv.cfg") and not active:  # what uv takes where there is no project
            return found
        if os.path.dirname(folder) == folder:
            break
        folder = os.path.dirname(folder)
    return active


def conda_folder(options: list[str], command: Command) -> str | None:
    """Find a conda environment by its folder or its name."""
    folder = option_value(options, "-p", "--prefix")
    if folder:
        return os.path.join(command.cwd, folder)
    name = option_value(options, "-n", "--name")
    if not name:
        return command.environ.get("CONDA_PREFIX")
    environ = command.environ
    root = environ.get("MAMBA_ROOT_PREFIX") or os.path.dirname(os.path.dirname(environ.get("CONDA_EXE", "")))
    given = environ.get("CONDA_ENVS_PATH") or environ.get("CONDA_ENVS_DIRS") or ""
    stores = [*given.split(":"), root and f"{root}/envs", environ.get("HOME", "") + "/.conda/envs"]
    places = [root] if name == "base" else [f"{store}/{name}" for store in stores if store]
    return next((place for place in places if place and os.path.isdir(place)), None)


def shell_script(words: list[str]) -> str | None:
    """Find the text that a shell was given with -c."""
    for index, word in enumerate(words[1:], 1):
        if not word.startswith("-") or word.startswith("--"):
            return None
        if "c" in word:
            return "".join(words[index + 1 : index + 2])
    return None


def script_commands(script: str, command: Command) -> Iterator[Command]:
    """Split a script at its operators, and follow `cd` and the activation of an environment on the way."""
    import shlex

    lexer = shlex.shlex(script, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        tokens = [*lexer, ";"]
    except ValueError:  # a quote is not closed
        return
    state = command.shortened([])
    words: list[str] = []
    for token in tokens:
        if token.strip("();<>|&"):
            words.append(token)
        else:
            yield from one_command(words, state)
            words = []


def one_command(words: list[str], state: Command) -> Iterator[Command]:
    """Carry out what changes the shell itself; yield what it executes."""
    words = [expanded(word, state.environ) for word in words]
    environ = dict(state.environ)
    rest = assign(words, environ)
    if not rest:
        state.environ.update(environ)
    elif rest[0] == "cd" and len(rest) > 1:
        state.cwd = os.path.join(state.cwd, rest[1])
    elif rest[0] in (".", "source") and rest[-1].endswith("/activate"):
        state.put_first(os.path.dirname(rest[1]))
    else:
        yield Command(rest, state.cwd, environ)


def expanded(word: str, environ: dict[str, str]) -> str:
    """Put the home folder and plain variables into a word, as the shell would; the rest stays as it is."""
    import re

    if word == "~" or word.startswith("~/"):
        word = environ.get("HOME", "~") + word[1:]
    names = r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})"
    return re.sub(names, lambda match: environ.get(match[1] or match[2], ""), word)
