"""`runwrap doctor`: what works here, what does not, and what wrapping costs."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from runwrap.errors import SettingsError, visible
from runwrap.launch.options import OPTIONS
from runwrap.settings import data_root, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROUNDS = 7
LIMIT_S = 20.0
SLOW_MS = 300.0
LITTLE_BYTES = 1_000_000_000
NVIDIA, DISPLAY_CLASS = "0x10de", "0x03"
PCI_DEVICES = Path("/sys/bus/pci/devices")
# Set for one run or by one: they would make every measured run the same one, or none.
OF_ONE_RUN = ("RUNWRAP_ID", "RUNWRAP_NAME", "RUNWRAP_RESUME", "RUNWRAP_OFF")


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing that was looked at; `word` is ok, warn (less is recorded) or no (runwrap cannot work)."""

    name: str
    word: str
    text: str
    remedy: str = ""
    values: dict[str, object] = dataclasses.field(default_factory=dict)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor")(doctor)


def doctor(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Say what works here, and what wrapping costs."""
    found = []
    for check in checks():
        found.append(check)
        if not as_json:
            typer.echo(visible(line(check)))
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(check) for check in found], indent=2))
    if any(check.word == "no" for check in found):
        raise typer.Exit(1)


def line(check: Check) -> str:
    """Write a check as one line."""
    remedy = f" ({check.remedy})" if check.remedy else ""
    return f"{check.word:5} {check.name:9} {check.text}{remedy}"


def checks() -> Iterator[Check]:
    """Look at one thing after the other."""
    yield check_terminal([os.isatty(fd) for fd in (0, 1, 2)], os.environ)
    yield check_git(os.environ)
    yield check_gpu(PCI_DEVICES)
    yield check_settings(os.environ)
    yield check_disk(os.environ)
    yield check_cost(wrapper(sys.argv[0]), ROUNDS)


def check_terminal(on_terminal: list[bool], environ: Mapping[str, str]) -> Check:
    """Look whether a script can be given a terminal."""
    try:
        for fd in os.openpty():
            os.close(fd)
    except OSError as error:
        remedy = "mount /dev/pts, or raise kernel.pty.max"
        return Check("terminal", "no", f"no terminal can be made: {error.strerror}", remedy)
    if not all(on_terminal):
        return Check(
            "terminal", "ok", "redirected streams stay as they are, a script gets no terminal for them"
        )
    term = environ.get("TERM", "")
    if term in ("", "dumb"):
        remedy = "set TERM, for example to xterm-256color"
        return Check("terminal", "warn", f"TERM is {term or 'not set'}: programs use no colours", remedy)
    return Check("terminal", "ok", f"a script gets a terminal like this one ({term})")


def check_git(environ: Mapping[str, str]) -> Check:
    """Look for git, and for a repository here."""
    program = shutil.which("git", path=environ.get("PATH"))
    if program is None:
        return Check("git", "warn", "not found: commits and patches are not recorded", "install git")
    version = asked(program, "--version", environ=environ).stdout.strip()
    answer = asked(program, "rev-parse", "--show-toplevel", environ=environ)
    if answer.returncode == 0:
        return Check("git", "ok", f"{version}, the repository is {answer.stdout.strip()}")
    reason = (answer.stderr.strip().splitlines() or [""])[0].removeprefix("fatal: ")
    if "not a git repository" in reason:
        return Check("git", "ok", f"{version}, no repository here")
    return Check("git", "warn", f"{version} cannot read the repository: {reason}", "see git status")


def asked(*command: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program for its answer, in English. Blocks: until it ends, or has been silent for too long."""
    try:
        return subprocess.run(
            command,
            env={**environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer in {LIMIT_S:.0f} s")


def check_gpu(pci_devices: Path) -> Check:
    """Look for NVIDIA GPUs and their driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
        version = pynvml.nvmlSystemGetDriverVersion()
        count = pynvml.nvmlDeviceGetCount()
        names = [str(pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(i))) for i in range(count)]
        pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        if not has_nvidia(pci_devices):
            return Check("gpu", "ok", "no NVIDIA GPU on this machine")
        remedy = "install the NVIDIA driver, or start the container with its libraries (--gpus all)"
        return Check(
            "gpu", "warn", f"there is an NVIDIA GPU, but its driver does not answer: {error}", remedy
        )
    return Check("gpu", "ok", f"driver {version}, {', '.join(names) or 'no GPU'}")


def has_nvidia(pci_devices: Path) -> bool:
    """Tell whether an NVIDIA GPU is plugged in, whatever the driver says."""
    for vendor in pci_devices.glob("*/vendor"):
        try:
            kind = vendor.with_name("class").read_text()
            if vendor.read_text().strip() == NVIDIA and kind.startswith(DISPLAY_CLASS):
                return True
        except OSError:
            continue
    return False


def check_settings(environ: Mapping[str, str]) -> Check:
    """Look whether the settings can be read, and for variables that look like one and are none."""
    try:
        settings = load({}, environ, os.getcwd(), OPTIONS)
    except SettingsError as error:
        return Check("settings", "no", str(error), error.hint)
    names = [option.name.upper() for option in OPTIONS]
    for variable in environ:
        prefix, _, name = variable.partition("_")
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.8) if prefix == "RUNWRAP" else []
        if near and name not in names:
            return Check("settings", "warn", f"{variable} is no setting", f"did you mean RUNWRAP_{near[0]}?")
    places = sorted(set(settings.origin.values()) - {"default"})
    return Check("settings", "ok", f"project {settings.project}; set by {', '.join(places) or 'nothing'}")


def check_disk(environ: Mapping[str, str]) -> Check:
    """Look whether runs can be kept, and how many bytes are free for them."""
    try:
        root = data_root(load({}, environ, os.getcwd(), OPTIONS), environ)
    except SettingsError as error:
        return Check("disk", "no", f"unknown where runs are kept: {error}", error.hint)
    try:
        folder = next(path for path in (Path(root), *Path(root).parents) if path.exists())
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
        free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        remedy = "set RUNWRAP_DIR or --dir to a folder that can be written"
        return Check("disk", "no", f"{root} cannot be written: {error.strerror}", remedy)
    text = f"{free_bytes / 1e9:.1f} GB free in {root}"
    if free_bytes < LITTLE_BYTES:
        return Check("disk", "warn", text, "make room, or set RUNWRAP_DIR to a larger disk")
    return Check("disk", "ok", text, values={"free_bytes": free_bytes})


def wrapper(program: str) -> list[str]:
    """Return the command that starts runwrap as it was started now."""
    if os.path.basename(program) == "runwrap" and os.access(program, os.X_OK):
        return [os.path.abspath(program)]
    found = None if program.endswith("__main__.py") else shutil.which("runwrap")
    return [found] if found else [sys.executable, "-m", "runwrap"]


def check_cost(wrapping: list[str], rounds: int) -> Check:
    """Measure what wrapping adds to `true` and to `python -c pass`."""
    commands = {"true": [shutil.which("true") or "true"], "python -c pass": [sys.executable, "-c", "pass"]}
    costs: dict[str, dict[str, float]] = {}
    try:
        with scratch_folder() as folder:
            for name, command in commands.items():
                costs[name] = measure(command, wrapping + command, folder, rounds)
    except CommandFailedError as error:
        return Check("cost", "no", str(error), "the message says what to do")
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("cost", "no", f"not measured: {error}", f"try {shlex.join(wrapping)} true")
    text = "; ".join(f"{name} takes {cost['added_ms']:.1f} ms more" for name, cost in costs.items())
    if any(cost["added_ms"] > SLOW_MS for cost in costs.values()):
        return Check("cost", "warn", text, "try --no-git, and RUNWRAP_DIR on a local disk", {**costs})
    return Check("cost", "ok", text, values={**costs})


def measure(bare: list[str], wrapped: list[str], folder: str, rounds: int) -> dict[str, float]:
    """Return the median duration of a command, bare and wrapped, run by turns.

    Raises: what `duration_ms` raises.
    """
    environ = {name: text for name, text in os.environ.items() if name not in OF_ONE_RUN}
    environ |= {"RUNWRAP_DIR": folder, "RUNWRAP_QUIET": "1"}
    durations_ms: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for command, found in zip((bare, wrapped), durations_ms, strict=True):
            found.append(duration_ms(command, environ))
    # The first of each has filled the caches.
    bare_ms, wrapped_ms = (statistics.median(found[1:]) for found in durations_ms)
    return {"bare_ms": bare_ms, "wrapped_ms": wrapped_ms, "added_ms": wrapped_ms - bare_ms}


def duration_ms(command: list[str], environ: Mapping[str, str]) -> float:
    """Run a command and return how long it took.

    Raises: CommandFailedError, OSError, subprocess.TimeoutExpired.
    """
    null = subprocess.DEVNULL
    # A file and no pipe: a process that runwrap leaves behind for the facts would hold a pipe open.
    with tempfile.TemporaryFile() as said:
        start_s = time.perf_counter()
        process = subprocess.Popen(command, env=dict(environ), stdin=null, stdout=null, stderr=said)
        try:
            status = process.wait(LIMIT_S)
        finally:
            process.kill()
        duration_s = time.perf_counter() - start_s
        said.seek(0)
        reason = said.readline().decode(errors="replace").strip()
    if status:
        raise CommandFailedError(
            f"{shlex.join(command)} ended with status {status}: {reason or 'it says nothing'}"
        )
    return duration_s * 1000


class CommandFailedError(Exception):
    """A command that was to be measured did not succeed."""


@contextlib.contextmanager
def scratch_folder() -> Iterator[str]:
    """Make a folder for a while; what runwrap still writes about its last run is waited for when it goes."""
    folder = tempfile.mkdtemp(prefix="runwrap-doctor-")
    try:
        yield folder
    finally:
        end_s = time.monotonic() + LIMIT_S / 10
        while os.path.lexists(folder) and time.monotonic() < end_s:
            shutil.rmtree(folder, ignore_errors=True)
