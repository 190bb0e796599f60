"""Make docs/terminal.svg, the picture in README.md, from a real run: `python docs/picture.py`.

The commands below are run one after the other on a terminal, in a new git repository that holds the
example and nothing else; a terminal emulator turns their very bytes into the picture.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pexpect
import pyte
from rich.console import Console
from rich.text import Text

DOCS = Path(__file__).parent
# What is typed, and the status that it ends with.
COMMANDS = {
    "runwrap --tags baseline python train.py --epochs 3": 0,
    "runwrap timeout 1 python train.py --hidden 64": 124,
    "runwrap runs": 0,
}
COLUMNS, LINES = 112, 60
COLORS = {"brown": "yellow", "default": None}


def make_project(folder):
    """Make a git repository with the example in it."""
    folder.mkdir()
    shutil.copy(DOCS / "examples/train.py", folder)
    identity = ["-c", "user.name=docs", "-c", "user.email=docs@localhost"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "Read digits"]):
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)


def record(command, status, folder, environ):
    """Run a command on a terminal and return the bytes that it sent there."""
    child = pexpect.spawn(
        "sh", ["-c", command], cwd=str(folder), env=environ, dimensions=(LINES, COLUMNS), timeout=300
    )
    child.expect(pexpect.EOF)
    child.close()
    if child.exitstatus != status:
        sys.exit(f"{command}: {child.before.decode()}")
    return child.before


def color_of(name):
    """Name a color of pyte's as rich does."""
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    name = COLORS.get(name, name)
    return re.sub(r"^bright(?=[a-z])", "bright_", name) if name else None


def style_of(cell):
    """Say in rich's words how a cell looks."""
    words = [word for word in ("bold", "italics", "underscore", "reverse") if getattr(cell, word)]
    words = [{"italics": "italic", "underscore": "underline"}.get(word, word) for word in words]
    if color := color_of(cell.fg):
        words.append(color)
    if background := color_of(cell.bg):
        words += ["on", background]
    return " ".join(words)


def shown_lines(screen):
    """Turn a screen into lines of rich text, without the empty ones at its end."""
    lines = []
    for y in range(screen.cursor.y):
        line = Text()
        for x in range(COLUMNS):
            cell = screen.buffer[y][x]
            line.append(cell.data, style_of(cell))
        line.rstrip()
        lines.append(line)
    return lines


def draw(lines):
    """Draw lines as an SVG picture that asks for nothing from elsewhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    for line in lines:
        console.print(line, no_wrap=True)
    picture = console.export_svg(title="", unique_id="terminal")
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    picture = picture.replace("Fira Code, ", "")
    return "\n".join(line.rstrip() for line in picture.splitlines() if line.strip()) + "\n"


def main():
    """Run the commands and write the picture."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    with tempfile.TemporaryDirectory() as home:
        project = Path(home) / "digits"
        make_project(project)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environ = {"HOME": home, "PATH": path, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        for command, status in COMMANDS.items():
            stream.feed(f"\x1b[1;32m$\x1b[0m \x1b[1m{command}\x1b[0m\r\n".encode())
            stream.feed(record(command, status, project, environ))
    (DOCS / "terminal.svg").write_text(draw(shown_lines(screen)))


if __name__ == "__main__":
    main()
