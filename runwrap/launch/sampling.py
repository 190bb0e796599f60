"""The process that samples what a run uses of its machine."""

from __future__ import annotations

import os
import time

from runwrap.launch.spawn import fork_aside, reap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from runwrap.capture.sampler.kin import Kin
    from runwrap.launch.folder import RunFolder

# A script that ends sooner has used too little to tell of, and does not pay for the sampler's start.
SHORTEST_RUN_S = 0.2
# The mean of the world in 2024. Source: Ember, Global Electricity Review 2025.
WORLD_CO2_G_PER_KWH = 473.0


class SamplerProcess:
    """A process beside the script, which ends when we say so or are gone."""

    def __init__(self, pid: int, end_fd: int) -> None:
        self.pid = pid
        self.end_fd = end_fd

    def end(self) -> None:
        """Let it take its last sample."""
        os.close(self.end_fd)

    def wait(self, timeout_s: float) -> None:
        """Wait until it has ended, so long and no longer. Blocks."""
        reap(self.pid, timeout_s)


def start_sampler(
    folder: RunFolder,
    kin: Kin,
    environ: Mapping[bytes, bytes],
    held: list[int],
    tell: Callable[[str], object],
) -> SamplerProcess | None:
    """Fork the sampler, unless it is not wanted; what it could not do is told to `tell`.

    No process that is forked later may hold the descriptor that ends it.
    """
    if folder.settings.no_system:
        return None
    end_read, end_write = os.pipe()

    def work() -> None:
        import select

        if not select.select([end_read], [], [], SHORTEST_RUN_S)[0]:
            kin.strangers.add(os.getpid())
            sample(folder, kin, environ, end_read, tell)

    pid = fork_aside(work, [*held, end_write])
    os.close(end_read)
    return SamplerProcess(pid, end_write)


def sample(
    folder: RunFolder, kin: Kin, environ: Mapping[bytes, bytes], end_fd: int, tell: Callable[[str], object]
) -> None:
    """Sample into the run's journal until `end_fd` says that it is over. Blocks."""
    from runwrap.capture.sampler.sampler import Sampler, Sampling
    from runwrap.launch.guard import Guard, in_words
    from runwrap.store.journal import Journal

    guard, journal = Guard(), Journal(folder.journal_path)

    def emit(kind: str, data: dict[str, Any]) -> None:
        journal.append(kind, data)
        if kind == "notice":
            tell(in_words(data))

    words = {os.fsdecode(key): os.fsdecode(value) for key, value in environ.items()}
    sampling = Sampling(kin, {"work": folder.cwd, "runs": folder.path}, words)
    if not kin.roots:
        since_s = time.monotonic() - folder.started_clock_s
        sampling.started_s = time.clock_gettime(time.CLOCK_BOOTTIME) - since_s
    sampling.interval_s = folder.settings.system_interval
    given = folder.settings.grid_co2
    sampling.co2_g_per_kwh = WORLD_CO2_G_PER_KWH if given is None else given
    guard("system", lambda: Sampler(emit, sampling).run(end_fd))
    for notice in guard.notices:
        emit("notice", dict(notice))
