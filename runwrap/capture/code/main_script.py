"""Find the file in which a command's own code begins: the script, not the interpreter."""

from __future__ import annotations

import os

from runwrap.capture import prefix_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runwrap.capture.prefix_command import Command

INTERPRETERS = prefix_command.SHELLS | {"Rscript", "julia", "node", "perl", "ruby", "lua", "php", "fish"}
WITH_VALUE = ("-W", "-X", "-Q", "--check-hash-based-pycs", "-o", "-O", "+O", "-r", "-I", "-L", "-p", "-t")
SYSTEM = ("/usr/", "/bin/", "/sbin/", "/nix/", "/snap/")


def main_script(argv: list[str], cwd: str, environ: dict[str, str]) -> str | None:
    """Return the path of the first script that a command line names and that is there."""
    command = prefix_command.Command(list(argv), cwd, dict(environ))
    for each in prefix_command.commands(command):
        for word in candidates(each):
            path = os.path.normpath(os.path.join(each.cwd, word))
            if "\0" not in path and os.path.isfile(path) and not is_program(path):
                return path
    return None


def candidates(command: Command) -> Iterator[str]:
    """Yield the words that can name the script of one command."""
    program, *rest = command.words
    if prefix_command.is_python(program):
        yield from python_candidates(rest)
    elif os.path.basename(program) in INTERPRETERS:
        yield from prefix_command.after_options(rest, WITH_VALUE)[:1]
    elif "/" in program:
        yield program


def python_candidates(words: list[str]) -> Iterator[str]:
    """Yield the file that Python is given, or where its module can lie."""
    for index, word in enumerate(words):
        if word == "-m" and words[index + 1 :]:
            path = words[index + 1].replace(".", "/")
            yield from (f"{path}/__main__.py", f"{path}.py")
            return
        if not word.startswith("-") and words[index - 1 : index] not in ([each] for each in WITH_VALUE):
            yield word
            return
        if word in ("-c", "-"):
            return


def is_program(path: str) -> bool:
    """Tell whether a file is an installed program, which is nobody's experiment."""
    return path.startswith(SYSTEM) or os.path.exists(os.path.join(os.path.dirname(path), "python"))
