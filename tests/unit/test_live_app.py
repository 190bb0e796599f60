"""The live view shows a run as it is in its files, and does what the keys say."""

from __future__ import annotations

import asyncio
import math
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from textual.widgets import Input

from runwrap.live.app import Live
from runwrap.live.following import BUCKETS_IN_ALL, MOST_BUCKETS, MOST_NAMES, Following
from runwrap.record import Record, encode
from runwrap.store.journal import Journal
from runwrap.store.liveness import boot_id, pid_namespace, pid_started

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from textual.pilot import Pilot

DEADLINE_S = 20.0
EVIL = "\x1b]0;owned\x07[red]\u202e漢\n"


class Run:
    """A run folder that grows."""

    def __init__(self, root: Path, **facts: Any) -> None:
        self.folder = root / "digits" / "run"
        self.folder.mkdir(parents=True)
        self.journal = Journal(str(self.folder / "journal.jsonl"))
        pid = os.getpid()
        process = {"host": os.uname().nodename, "pid": pid, "pid_started": pid_started(pid)}
        process |= {"boot_id": boot_id(), "pid_namespace": pid_namespace(), "started": time.time()}
        self.journal.append(
            "run", {"id": "run", "name": "otter", "project": "digits", "argv": ["./train"]} | process | facts
        )

    def row(self, step: int, **values: object) -> None:
        """Log a row of metrics."""
        self.journal.append("history", {"step": step, "values": values, "source": "api"})

    def prints(self, data: bytes) -> None:
        """Put something out."""
        with (self.folder / "output.log").open("ab") as log:
            offset = log.tell()
            log.write(data)
        self.journal.append("output", {"stream": "both", "offset": offset, "size_bytes": len(data)})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def screen_of(app: Live) -> str:
    """Return what the screen shows, as text."""
    return "\n".join(
        "".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()
    )


async def shows(pilot: Pilot[None], *words: str, without: str = "\0") -> str:
    """Wait until the screen shows some words, and return it."""
    end_s = time.monotonic() + DEADLINE_S
    while True:
        await pilot.pause(0.02)
        screen = screen_of(pilot.app)  # type: ignore[arg-type]
        if all(word in screen for word in words) and without not in screen:
            return screen
        assert time.monotonic() < end_s, f"never shown: {words}, without {without!r}:\n{screen}"


def drive(run: Run, act: Callable[[Pilot[None]], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> Live:
    """Start the real app on a run folder and act on it."""
    app = Live(str(run.folder))

    async def main() -> None:
        async with app.run_test(size=size) as pilot:
            await act(pilot)

    asyncio.run(main())
    return app


def test_what_comes_is_shown_while_the_run_goes_on(run: Run) -> None:
    async def act(pilot: Pilot[None]) -> None:
        await shows(pilot, "otter in digits", "● running", "./train", "── output", without="metrics")
        run.row(1, loss=0.75)
        run.prints(b"hello\n 10%\r 20%")
        await shows(pilot, "loss", "0.75", "hello", " 20%", without="system ─")
        run.row(2, loss=0.5)
        run.journal.append("system", {"values": {"host_cpu_percent": 42.0, "gpu_percent/0": 97.0}})
        await shows(pilot, "0.5", "step 2", "42 %", "gpu 0", "97 %")
        run.prints(b"\nTraceback (most recent call last):\n  File\nValueError: bad lr\n")
        run.journal.append("exit", {"status": 1, "signal": None, "cause": "exited 1", "duration_s": 3.0})
        await shows(pilot, "● failed  3 s", "exited 1: ValueError: bad lr")

    drive(run, act)


def test_a_chart_can_be_chosen_enlarged_pinned_and_searched_for(run: Run) -> None:
    for step in range(3):
        run.prints(b"x\n")
        run.row(step, **{f"m{number:02}": float(step * number) for number in range(40)})

    async def act(pilot: Pilot[None]) -> None:
        await shows(pilot, "▸ m00", "1-4 of 40")
        await pilot.press("down", "down", "down")
        await shows(pilot, "▸ m06", without="m00")
        await pilot.press("right", "enter")
        await shows(pilot, "▸ m07", " 8 of 40", without="── output")
        await pilot.press("enter", "space", "home")
        await shows(pilot, "▸ m07", "m00")
        await pilot.press("end")
        await shows(pilot, "▸ m39")
        await pilot.press("slash", *"m1 5", "enter")
        await shows(pilot, "▸ m15", "/m1 5", without="m39")
        assert not pilot.app.query_one(Input).display
        await pilot.press("escape", "home", "pagedown")
        await shows(pilot, "of 40", without="/m1 5")
        await pilot.press("slash", "q")
        await shows(pilot, "/q", without="▸")
        await pilot.press("escape", "q")

    assert drive(run, act).return_code == 0


def test_the_output_can_be_read_back_and_stays_where_one_reads(run: Run) -> None:
    run.row(1, loss=1.0)
    run.prints(b"".join(b"line %d.\n" % number for number in range(100)))

    async def act(pilot: Pilot[None]) -> None:
        await shows(pilot, "line 99.", "loss")
        await pilot.press("l")
        await shows(pilot, "line 80.", without="loss")
        await pilot.press("pageup")
        await shows(pilot, "18 lines below", without="line 99.")
        run.prints(b"more\n")
        await shows(pilot, "19 lines below", "line 81.")
        await pilot.press("end")
        await shows(pilot, "more")
        await pilot.press("home")
        await shows(pilot, "line 0.")
        await pilot.press("escape")
        await shows(pilot, "loss", "more")

    drive(run, act)


def test_all_that_was_sampled_can_be_looked_at(run: Run) -> None:
    run.row(1, loss=1.0)
    run.prints(b"x\n")
    run.journal.append(
        "system",
        {"values": {f"host_cpu_percent/{core}": core for core in range(8)} | {"host_load_1min": 2.5}},
    )

    async def act(pilot: Pilot[None]) -> None:
        await shows(pilot, "loss")
        await pilot.press("s", "end")
        await shows(pilot, "host_load_1min", "2.5", "of 9", without="loss")
        await pilot.press("s")
        await shows(pilot, "loss")

    drive(run, act)


@pytest.mark.parametrize("size", [(1, 1), (10, 3), (30, 8), (80, 24), (300, 90)])
def test_any_size_is_drawn_and_nothing_harmful_reaches_the_screen(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    run = Run(tmp_path, name=EVIL, project=EVIL, argv=[EVIL] * 20)
    run.row(
        1,
        **{
            EVIL: 1.0,
            EVIL * 30: math.nan,
            "": 5,
            "huge": 10**400,
            "n" * 5000: 1e308,
            "t": EVIL,
            "neg": -1e308,
        },
    )
    run.row(-(2**1000), **{EVIL: -1.0, "neg": 1e308})
    run.journal.append(
        "system", {"values": {EVIL: 5, f"gpu_percent/{EVIL}": math.inf, "host_cpu_percent": math.nan}}
    )
    run.journal.append("system", {"values": [EVIL]})
    run.journal.append("history", {"step": EVIL, "rank": EVIL, "values": {"x": 1}})
    run.prints(EVIL.encode() + b"\x1b[2J\x1b[?1049h\x90\xff\x00")
    run.journal.append("exit", {"status": 1, "cause": EVIL})

    async def act(pilot: Pilot[None]) -> None:
        await pilot.pause(0.05)
        for key in ("s", "s", "enter", "enter", "l", "pageup", "l", "slash", "x", "escape", "end", "space"):
            await pilot.press(key)
            assert not set(screen_of(pilot.app)) & set("\x1b\x07\u202e\x90\0")  # type: ignore[arg-type]
        await pilot.resize_terminal(100, 30)
        screen = await shows(pilot, "failed", r"\x1b]0;owned\x07[red]\u202e漢\n")
        assert not set(screen) & set("\x1b\x07\u202e\x90\0")

    drive(run, act, size)


def test_a_run_that_is_deleted_meanwhile_stays_on_the_screen(run: Run) -> None:
    run.row(1, loss=0.25)

    async def act(pilot: Pilot[None]) -> None:
        await shows(pilot, "0.25")
        for path in run.folder.iterdir():
            path.unlink()
        run.folder.rmdir()
        await pilot.press("s", "s", "l", "l")
        await shows(pilot, "0.25")

    drive(run, act)


def test_reading_on_costs_what_is_new_and_memory_is_bounded(run: Run) -> None:
    rows = 100_000
    with (run.folder / "journal.jsonl").open("ab") as journal:
        for step in range(rows):
            data = {"step": step, "values": {"loss": 1 / (step + 1), "spike": 9.0 if step == 70_000 else 0.0}}
            journal.write(encode(Record(step + 2, 1.0, "history", data)))
    following = Following(str(run.folder))
    assert following.advance(0.0)
    assert following.is_behind()
    while following.is_behind():
        following.advance(1.0)
    loss, spike = (following.metrics.lines[name] for name in ("loss", "spike"))
    assert (loss.count, spike.count) == (rows, rows)
    assert len(loss.shape["buckets"]) <= MOST_BUCKETS
    assert max(bucket[1] for bucket in spike.shape["buckets"].values()) == 9.0
    before = following.reader.offset
    run.row(rows, loss=7.0)
    assert following.advance(1.0)
    assert loss.last == 7.0
    assert following.reader.offset - before < 1000
    assert not following.advance(1.0)


def test_many_names_share_the_room() -> None:
    following = Following("/nowhere")
    for step in range(70):
        values = {f"m{number}": step for number in range(MOST_NAMES + 10)}
        following.take(Record(step + 1, 1.0, "history", {"step": step, "values": values}))
    lines = following.metrics.lines
    assert len(lines) == MOST_NAMES
    assert sum(len(line.shape["buckets"]) for line in lines.values()) <= BUCKETS_IN_ALL
    assert following.metrics.left_out == 700


def test_ranks_and_instances_have_lines_of_their_own() -> None:
    following = Following("/nowhere")
    following.take(Record(1, 1.0, "history", {"step": 1, "values": {"loss": 1}, "rank": 1}))
    following.take(Record(2, 1.0, "history", {"step": 1, "values": {"loss": 2}}))
    values = {"net_sent_bytes_per_s/eth0": 2.0, "net_sent_bytes_per_s/lo": 3.0}
    following.take(Record(3, 1.0, "system", {"values": values}))
    assert {name: line.last for name, line in following.metrics.lines.items()} == {
        "loss (rank 1)": 1,
        "loss": 2,
    }
    assert following.system.lines["net_sent_bytes_per_s"].last == 5.0
