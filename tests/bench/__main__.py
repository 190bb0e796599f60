"""Compare runwrap with nothing, with script(1) and with tee(1): `python -m tests.bench`. Asserts nothing."""

import argparse
import os
import platform
import tempfile
from pathlib import Path

from tests.bench import launch, memory, relay

PARTS = {"launch": launch, "relay": relay, "memory": memory}


def main():
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each command (default: %(default)s)")
    parser.add_argument("--dir", type=Path, help="where to work (default: a temporary folder)")
    args = parser.parse_args()
    if unknown := set(args.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    load = " ".join(f"{number:.1f}" for number in os.getloadavg())
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load}; medians, taken in turns")
    for name in args.parts or PARTS:
        with tempfile.TemporaryDirectory(dir=args.dir) as folder:
            PARTS[name].bench(Path(folder), args.rounds)


if __name__ == "__main__":
    main()
