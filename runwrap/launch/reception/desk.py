"""Everything between the socket and the journal: what hears scripts, and what keeps files for them."""

from __future__ import annotations

import _thread
import os

from runwrap.launch import signals
from runwrap.launch.listener import Listener
from runwrap.store.journal import JournalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runwrap.capture.intake.reader import Intake
    from runwrap.capture.intake.speech import Item
    from runwrap.launch.folder import RunFolder
    from runwrap.launch.guard import Guard
    from runwrap.launch.reception.saver import Saver

PROGRESS_S = 1.0
OURS = {
    *("requirements.txt", "conda-explicit.txt", "diff.patch", "untracked.tar.gz", "sparse-checkout"),
    "captured",
}


class Desk:
    """Where one run's scripts are heard. `given` names what the user has settled."""

    def __init__(self, folder: RunFolder, guard: Guard, given: frozenset[str]) -> None:
        self.folder = folder
        self.guard = guard
        self.given = given
        self.listener: Listener | None = None
        self.saver: Saver | None = None
        self.saved = _thread.allocate_lock()
        self.told_files: set[str] = set()

    def open(self) -> str | None:
        """Open the socket and return its path; the script can do without."""
        try:
            self.listener = Listener(self.folder.id)
        except OSError as error:
            self.guard.note("warning", "socket", f"The script cannot say anything: {error}.")
            return None
        return self.listener.path

    def descriptors(self) -> list[int]:
        """List what no child of ours is to hold."""
        return [self.listener.fileno()] if self.listener else []

    def start(self) -> None:
        """Begin to listen."""
        if self.listener:
            self.listener.start(self.guard, self.make_intake)

    def make_intake(self, listening_fd: int, stop_fd: int) -> Intake:
        """Make what reads the socket. Threads: called by the listener's."""
        from runwrap.capture.intake.reader import Intake
        from runwrap.capture.intake.speech import Speech

        folder = self.folder
        speech = Speech(folder.about(), self.given, folder.files_path, self.noting("socket"))
        self.told_files = speech.told_files
        return Intake(listening_fd, stop_fd, speech, self.keep, lambda *errand: self.files().put(*errand))

    def noting(self, part: str) -> Callable[[str], None]:
        """Return what keeps sentences as notices of a part of ours."""
        return lambda text: self.guard.note("warning", part, text)

    def keep(self, items: list[Item]) -> bool:
        """Write what a script has said into the journal; tell whether it is there."""
        try:
            self.folder.journal.append_many(items)
        except JournalError as error:
            self.guard.note("error", "socket", str(error))
            return False
        return True

    def files(self) -> Saver:
        """Return what keeps files: made when the first one is to be kept, with a thread of its own."""
        if self.saver is None:
            from runwrap.launch.reception.saver import Saver

            saver = Saver(self.folder.files_path, self.folder.root, self.keep, self.noting("files"))
            self.saver = saver
            self.saved.acquire()

            def save() -> None:
                self.guard("files", saver.run)
                self.saved.release()
                signals.poke()

            _thread.start_new_thread(save, ())
        return self.saver

    def finish(self, say_progress: Callable[[str], None]) -> None:
        """Take the last words, then keep what was to wait for the end. Blocks: until done, or ctrl-C."""
        if self.listener:
            self.listener.stop()
            self.remove()
        if self.saver is not None or has_files(self.folder.files_path):
            self.guard("files", lambda: self.finish_files(say_progress))

    def finish_files(self, say_progress: Callable[[str], None]) -> None:
        """Keep the last files, and say so where it takes long."""
        while signals.wait(0):
            pass  # it was sent while the script was there
        saver = self.files()
        saver.finish(self.told_files)
        while self.saved.locked():
            info = signals.wait(PROGRESS_S)
            if info is None and saver.at_work:
                say_progress(
                    f"runwrap: keeping {os.path.basename(saver.at_work)}: {saver.passed_bytes / 1e6:.0f} MB"
                )
            elif info is not None and info.si_signo in signals.ENDS:
                saver.hurry()
        say_progress("")

    def remove(self) -> None:
        """Remove the socket."""
        if self.listener:
            self.listener.remove()


def has_files(folder: str) -> bool:
    """Tell whether the script has put files into the run's folder."""
    return not OURS.issuperset(os.listdir(folder))
