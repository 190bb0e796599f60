"""Removing a run from the disk."""

from __future__ import annotations

import os
import shutil

from runwrap.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runwrap.store.view import RunView


class RunningError(StoreError):
    """A run that is going on cannot be removed."""

    exit_code = 1


def remove_run(view: RunView) -> None:
    """Remove a run; half removed, it is hidden and no run any more. Raises: StoreError."""
    if view.state == "running":
        raise RunningError(f"{view.name} is running", "end it first, or wait until it has ended")
    folder, name = os.path.split(view.path)
    hidden = os.path.join(folder, f".deleted-{name}")
    try:
        os.rename(view.path, hidden)
        shutil.rmtree(hidden)  # follows no links
    except OSError as error:
        raise StoreError(f"cannot remove {view.path}: {error.strerror}") from error
