"""What a run uses, a line each: processor, memory, GPUs, disk and network."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from runwrap.errors import visible
from runwrap.live.spark import spark
from runwrap.live.words import amount_in_words, quantity_of
from runwrap.store.shape import columns

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from runwrap.store.shape import Shape

    class Sampled(Protocol):
        """What is known of one name."""

        shape: Shape
        last: float


HUNDRED = 100.0
TITLE_WIDTH, VALUE_WIDTH, LEAST_SPARK, GAP = 11, 10, 14, 2
MOST_ACROSS = 3
QUIET, CALM, BUSY, FULL = "bright_black", "green", "yellow", "red"
BUSY_SHARE, FULL_SHARE = 0.75, 0.92

# The title of a lane and the names that it may be drawn from: the first that is there is taken.
LANES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("cpu script", ("process_cpu_percent",)),
    ("cpu", ("group_cpu_percent", "host_cpu_percent")),
    ("mem script", ("process_memory_rss_bytes",)),
    ("memory", ("group_memory_percent", "host_memory_percent")),
    ("disk read", ("process_read_bytes_per_s", "disk_read_bytes_per_s")),
    ("disk write", ("process_write_bytes_per_s", "disk_write_bytes_per_s")),
    ("net in", ("net_received_bytes_per_s",)),
    ("net out", ("net_sent_bytes_per_s",)),
)
GPU, GPU_USED, GPU_TOTAL = "gpu_percent/", "gpu_memory_used_bytes/", "gpu_memory_total_bytes/"
GPUS_AFTER = 4


class Lane(NamedTuple):
    """One lane; `whole` is what all of it would be, 0 where nobody knows."""

    title: str
    shape: Shape
    whole: float
    value: str
    last: float


def lanes_of(system: Mapping[str, Sampled]) -> list[Lane]:
    """Choose what is drawn of all that was sampled."""
    chosen = []
    for title, names in LANES:
        name = next((name for name in names if name in system), None)
        if name:
            chosen.append(lane_of(title, name, system[name]))
    before = sum(title in dict(LANES[:GPUS_AFTER]) for title, *_ in chosen)
    return chosen[:before] + gpu_lanes(system) + chosen[before:]


def lane_of(title: str, name: str, sampled: Sampled) -> Lane:
    """Make a lane of one name; a percentage is drawn of a hundred, where it is not more."""
    unit = quantity_of(name).unit
    share = unit == "%" and name != "process_cpu_percent"
    value = amount_in_words(sampled.last, unit)
    return Lane(title, sampled.shape, HUNDRED if share else 0.0, value, sampled.last)


def gpu_lanes(system: Mapping[str, Sampled]) -> list[Lane]:
    """Make two lanes for each GPU: how busy it is, and its memory."""
    found = []
    for name in sorted((name for name in system if name.startswith(GPU)), key=lambda name: (len(name), name)):
        instance = name.removeprefix(GPU)
        shown = visible(instance[:4])
        found.append(lane_of(f"gpu {shown}", name, system[name]))
        used, total = system.get(GPU_USED + instance), system.get(GPU_TOTAL + instance)
        if used:
            value = amount_in_words(used.last, "bytes")
            whole = total.last if total and total.last > 0 else 0.0
            found.append(Lane(f"gpu {shown} mem", used.shape, whole, value, used.last))
    return found


def draw_lanes(lanes: list[Lane], width: int, most_rows: int) -> list[Text]:
    """Draw lanes beside and below each other, column by column, and say how many found no room."""
    across = max(1, min(MOST_ACROSS, (width + GAP) // (TITLE_WIDTH + LEAST_SPARK + VALUE_WIDTH + 2 + GAP)))
    rows = min(most_rows, -(-len(lanes) // across))
    cell_width = (width + GAP) // across - GAP
    lines = [Text() for _ in range(rows)]
    for place, lane in enumerate(lanes[: rows * across]):
        row = lines[place % rows]
        if row:
            row.append(" " * GAP)
        row.append_text(draw_lane(lane, cell_width))
    return lines


def draw_lane(lane: Lane, width: int) -> Text:
    """Draw one lane: title, blocks, value."""
    room = max(1, width - TITLE_WIDTH - VALUE_WIDTH - 2)
    reduced = columns(lane.shape, room)
    values = [column and column[2] for column in reduced]
    known = [column[1] for column in reduced if column]
    whole = lane.whole or max(known, default=1.0) or 1.0
    drawn = spark(values, 0.0, max([whole, *known]) if lane.whole else whole)
    return Text.assemble(
        (f"{lane.title[:TITLE_WIDTH]:<{TITLE_WIDTH}}", QUIET),
        " ",
        (drawn, colour_of(lane)),
        " ",
        f"{lane.value[:VALUE_WIDTH]:>{VALUE_WIDTH}}",
    )


def colour_of(lane: Lane) -> str:
    """Return a colour that says how near a lane is to all that there is."""
    share = lane.last / lane.whole if lane.whole else 0.0
    return FULL if share >= FULL_SHARE else BUSY if share >= BUSY_SHARE else CALM
