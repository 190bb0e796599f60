"""The door: a verb goes to cli/, a command goes straight to launch/."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run a verb or launch a command and return the exit status."""
    from runwrap.launch.options import is_verb

    arguments = sys.argv[1:]
    if arguments and "RUNWRAP_SOCKET" in os.environ:
        from runwrap.launch import say

        if say.is_plain(arguments, os.environ):
            return say.main(arguments)
    if arguments == ["collect", "--"]:  # what init() calls in a script that nobody has wrapped
        from runwrap.launch.unwrapped.collect import main as collect

        return collect()
    if is_verb(arguments, os.environ):
        import gc

        from runwrap.cli.app import main as run_verb

        gc.enable()

        return run_verb(arguments)
    from runwrap.launch.run import main as launch

    return launch(arguments)


if __name__ == "__main__":
    sys.exit(main())
