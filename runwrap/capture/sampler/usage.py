"""What a run has used in all, summed up while it is sampled."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Values = dict[str, float]

# Metric, and the keys under which its mean and its largest value are told.
MEANS = {"process_cpu_percent": "cpu_percent_mean", "host_cpu_percent": "host_cpu_percent_mean"}
PEAKS = {
    "process_cpu_percent": "cpu_percent_max",
    "process_memory_rss_bytes": "memory_rss_max_bytes",
    "process_memory_pss_bytes": "memory_pss_max_bytes",
    "process_count": "process_count_max",
    "process_thread_count": "process_thread_count_max",
    "host_memory_percent": "host_memory_percent_max",
    "group_memory_used_bytes": "group_memory_used_max_bytes",
    "group_oom_kill_count": "group_oom_kill_count",
}
TOTALS = {"process_read_bytes_per_s": "read_bytes", "process_write_bytes_per_s": "write_bytes"}


class Usage:
    """Means over time, peaks and totals of what the samples said."""

    def __init__(self) -> None:
        self.sample_count = 0
        self.sums: dict[str, list[float]] = {}  # value times seconds, seconds
        self.peaks: Values = {}

    def take(self, values: Values, passed_s: float) -> None:
        """Take one sample in, which stands for the time since the last one."""
        self.sample_count += 1
        for name, value in values.items():
            if name in PEAKS:
                self.peaks[name] = max(value, self.peaks.get(name, value))
            if (name in MEANS or name in TOTALS) and passed_s > 0:
                pair = self.sums.setdefault(name, [0.0, 0.0])
                pair[0] += value * passed_s
                pair[1] += passed_s

    def describe(self) -> dict[str, object]:
        """Return the value of the fact `usage`; what was never seen is not in it."""
        told: dict[str, object] = {"sample_count": self.sample_count}
        told |= {key: self.peaks[name] for name, key in PEAKS.items() if name in self.peaks}
        for name, (area, passed_s) in self.sums.items():
            if name in MEANS:
                told[MEANS[name]] = area / passed_s
            if name in TOTALS:
                told[TOTALS[name]] = round(area)
        return told
