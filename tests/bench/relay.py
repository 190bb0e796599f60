"""How fast 200 MB of text pass, and at what cost: a pipe against tee(1), a terminal against script(1)."""

import os
import shutil

from tests.bench.measure import RUNWRAP, in_turns, on_terminal, redirected, row

SIZE_MB = 200
LINE = b"epoch 12/100 - loss: 0.1234 - val_loss: 0.2345 - val_accuracy: 0.912 and some more\n"


def make_text(path):
    """Write the text that is relayed."""
    block = (LINE * (1_000_000 // len(LINE) + 1))[:1_000_000]
    with path.open("wb") as file:
        for _ in range(SIZE_MB):
            file.write(block)


def report(title, taken, peer, bars):
    """Print speed and CPU time, and both as shares of the peer's."""
    print(f"{title}, {SIZE_MB} MB")
    for name, result in taken.items():
        spread = f"from {SIZE_MB / result.walls_s[-1]:.0f} to {SIZE_MB / result.walls_s[0]:.0f} MB/s"
        row(name, f"{SIZE_MB / result.wall_s:.0f} MB/s {result.cpu_s * 1000 / SIZE_MB:6.2f} ms/MB", spread)
    if peer in taken:
        ours, theirs = taken["runwrap"], taken[peer]
        row(f"speed: runwrap over {peer}", f"{theirs.wall_s / ours.wall_s:.2f}", f"bar: {bars[0]} or more")
        row(f"CPU per MB: runwrap over {peer}", f"{ours.cpu_s / theirs.cpu_s:.2f}", bars[1])


def pipe_variants(text, folder, environ):
    """Return the same copy through a pipe: bare, with tee's log, with runwrap's."""
    copy, sink = f"dd if={text} bs=64k status=none", "cat >/dev/null"
    lines = {
        "bare": f"{copy} | {sink}",
        "tee": f"{copy} | tee {folder}/tee.log | {sink}",
        "runwrap": f"{RUNWRAP} {copy} | {sink}",
    }
    return {name: redirected(["sh", "-c", line], folder, environ) for name, line in lines.items()}


def terminal_variants(text, folder, environ):
    """Return the same copy to a terminal: bare, with script's log, with runwrap's."""
    copy = ["dd", f"if={text}", "bs=64k", "status=none"]
    commands = {"bare": ["/bin/dd", *copy[1:]], "runwrap": [RUNWRAP, "--quiet", *copy]}
    if script := shutil.which("script"):
        commands["script"] = [script, "-qefc", " ".join(copy), str(folder / "typescript")]
    return {name: on_terminal(command, folder, environ) for name, command in commands.items()}


def clearing(variant, folder):
    """Return a variant that begins without the logs of the one before, lest the disk fill."""

    def cleared():
        shutil.rmtree(folder / "data", ignore_errors=True)
        (folder / "tee.log").unlink(missing_ok=True)
        (folder / "typescript").unlink(missing_ok=True)
        return variant()

    return cleared


def bench(folder, rounds):
    """Measure a pipe, then a terminal."""
    environ = os.environ | {"RUNWRAP_DIR": str(folder / "data")}
    text = folder / "text"
    make_text(text)
    rounds = max(3, rounds // 4)
    for title, make, peer, bars in (
        ("relay through a pipe", pipe_variants, "tee", ("1.3", "")),
        ("relay through a terminal", terminal_variants, "script", ("0.95", "bar: 1.0 or less")),
    ):
        variants = make(text, folder, environ)
        cleared = {name: clearing(variant, folder) for name, variant in variants.items()}
        report(title, in_turns(cleared, rounds), peer, bars)
