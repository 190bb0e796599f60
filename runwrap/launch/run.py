"""The main path: from a command line to the script's exit status."""

from __future__ import annotations

import _thread
import os
import time

from runwrap.errors import RunwrapError, complain, visible
from runwrap.launch import signals
from runwrap.launch.command import check, current_folder, not_executed, run_untouched, script_environ
from runwrap.launch.console import Console
from runwrap.launch.descriptors import STDERR, choose_wires, close_inherited, fill_closed, is_full_terminal
from runwrap.launch.folder import RunFolder
from runwrap.launch.guard import Guard, in_words
from runwrap.launch.injection import injected
from runwrap.launch.keeper import KeeperProcess, start_keeper
from runwrap.launch.options import OPTIONS, parse
from runwrap.launch.reception.desk import Desk
from runwrap.launch.sampling import start_sampler
from runwrap.launch.spawn import Command, fork_aside, reap
from runwrap.settings import load
from runwrap.store.journal import JournalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runwrap.capture.git_snapshot import Snapshot
    from runwrap.capture.sampler.kin import Kin
    from runwrap.launch.full import FullSession
    from runwrap.launch.hybrid import HybridSession
    from runwrap.launch.keeper import Keeper
    from runwrap.launch.outcome import Outcome
    from runwrap.launch.sampling import SamplerProcess
    from runwrap.settings import Settings

ASIDE_WAIT_S = 1.0
SYNC_WAIT_S = 10.0
MOST_NEWS_BYTES = 1000
FLUSH_WAIT_S = 10.0


def launch(arguments: list[str]) -> int:
    """Run a command as a tracked run and return the status to exit with.

    Raises: RunwrapError, only before the script starts.
    """
    closed = fill_closed()
    given, words = parse(arguments)
    environ = script_environ()
    cwd = current_folder()
    settings = load(given, os.environ, cwd, OPTIONS)
    command = Command([os.fsencode(word) for word in words], environ, closed, set())
    check(command)
    if settings.off:
        return run_untouched(command)
    folder = RunFolder(settings, words, cwd, config_files(settings))
    command.environ = environ | folder.environ()
    if not settings.no_inject:
        command.environ |= injected(environ)
    command.signal_mask = signals.block_all()
    command.ignores_children = signals.mind_children()
    return Launch(settings, folder, command).run()


def config_files(settings: Settings) -> dict[str, dict[str, object]]:
    """Return what the files of config say that the user has named. Raises: SettingsError."""
    if not settings.config_file:
        return {}
    from runwrap.launch.config_file import read_config_file

    return {path: read_config_file(path) for path in settings.config_file}


class Launch:
    """One run on its way: the processes and threads around one script."""

    def __init__(self, settings: Settings, folder: RunFolder, command: Command) -> None:
        self.settings = settings
        self.folder = folder
        self.command = command
        self.guard = Guard()
        self.flushed = _thread.allocate_lock()
        self.flushed.acquire()
        self.synced = _thread.allocate_lock()
        self.synced.acquire()
        self.has_progress = False
        self.flush_error: JournalError | None = None
        try:
            self.console = Console(folder.output_path)
        except OSError as error:
            raise folder.cannot_begin(f"cannot open {folder.output_path}: {error.strerror}") from error
        self.session = self.choose_session()
        folder.begin(self.session.mode, [stream.name for stream in self.session.streams])
        given = frozenset(name for name, origin in settings.origin.items() if origin != "default")
        self.desk = Desk(folder, self.guard, given)
        socket_path = self.desk.open()
        if socket_path:
            command.environ[b"RUNWRAP_SOCKET"] = os.fsencode(socket_path)
        self.speaks = not settings.quiet and STDERR not in command.closed and os.isatty(STDERR)

    def choose_session(self) -> FullSession | HybridSession:
        """Choose the mode by what our own descriptors are."""
        closed = self.command.closed
        if is_full_terminal(closed):
            from runwrap.launch.full import FullSession

            return FullSession(self.command, self.console)
        from runwrap.launch.hybrid import HybridSession

        return HybridSession(self.command, choose_wires(closed, self.settings.pty), self.console)

    def run(self) -> int:
        """Start everything, wait for the end of the script, and finish the record. Blocks."""
        self.say(self.folder.greeting())
        self.folder.script_starts()
        listening = self.desk.descriptors()
        keeper = start_keeper(self.keeper_process(), self.session.script_ends() + listening)
        failure_read, failure_write = os.pipe()
        snapshot = self.folder.start_diff()
        # What has changed in the working tree since this moment may be the script's doing.
        self.folder.script_started_s = time.time()
        self.session.start(keeper, failure_write, listening)
        close_inherited()
        os.close(failure_write)
        aside = [keeper.orders, keeper.answers, *self.held()]
        collector = self.start_collector(aside, snapshot)
        sampler = self.start_sampler(aside, self.kin(keeper, collector, snapshot))
        self.start_flushing()
        self.desk.start()
        self.guard("folder", self.folder.script_runs)
        outcome = self.session.serve(keeper, self.guard)
        if sampler:
            sampler.end()
        failure = os.read(failure_read, 16)
        self.finish(outcome, keeper, failure)
        ends_s = time.monotonic() + ASIDE_WAIT_S
        reap(collector, ASIDE_WAIT_S)
        if sampler:
            sampler.wait(max(0.0, ends_s - time.monotonic()))
        self.synced.acquire(timeout=SYNC_WAIT_S)
        if snapshot is not None:
            reap(snapshot.diff.pid, 0)
        if failure:
            return complain(not_executed(os.fsdecode(self.command.argv[0]), int(failure)))
        return self.leave(outcome)

    def keeper_process(self) -> KeeperProcess:
        """Say what the keeper does when the wrapper is killed."""
        terminal = getattr(self.session, "terminal", None)

        def on_wrapper_death() -> None:
            if terminal is not None:
                terminal.restore_if_left_raw()
            self.desk.remove()

        return KeeperProcess(
            self.console,
            self.session.streams,
            on_wrapper_death,
            lambda records: self.guard("journal", lambda: self.folder.append_anew(records)),
            lambda: self.guard("journal", self.folder.mark_lost),
            self.folder.marked_bytes,
        )

    def start_collector(self, aside: list[int], snapshot: Snapshot | None) -> int:
        """Fork the process that gathers the facts while the script runs already."""
        self.news, self.news_write = os.pipe()

        def work() -> None:
            for line in self.folder.collect_facts(self.guard, self.command, snapshot):
                self.tell(line)

        return fork_aside(work, aside)

    def start_sampler(self, aside: list[int], kin: Kin) -> SamplerProcess | None:
        """Fork the process that samples the script's use of the machine."""
        sampler = start_sampler(self.folder, kin, self.command.environ, aside, self.tell)
        os.close(self.news_write)
        return sampler

    def tell(self, line: str) -> None:
        """Let the wrapper say at the end what could not be done. Runs in the processes aside."""
        os.write(self.news_write, visible(line).encode(errors="replace")[:MOST_NEWS_BYTES] + b"\n")

    def kin(self, keeper: Keeper, collector: int, snapshot: Snapshot | None) -> Kin:
        """Say which processes are the script's."""
        from runwrap.capture.sampler.kin import Kin

        shim = getattr(self.session, "shim", None)
        ours = {os.getpid()} | ({shim.pid} if shim else set())
        git = {snapshot.diff.pid} if snapshot else set()
        mark = f"RUNWRAP_RUN={self.folder.id}"
        return Kin(mark, ours, ours | git | {keeper.pid, collector}, frozenset())

    def held(self) -> list[int]:
        """List the descriptors of ours that somebody waits to see closed."""
        shim = getattr(self.session, "shim", None)
        held = [stream.source for stream in self.session.streams] + ([shim.orders] if shim else [])
        return held + self.desk.descriptors()

    def start_flushing(self) -> None:
        """Start the thread that records which bytes came when."""
        journal = self.folder.journal

        def work() -> None:
            try:
                self.console.flush_forever(journal.append_many, journal.sync)
            except JournalError as error:
                self.flush_error = error  # the marks are kept for the end

        def flush() -> None:
            self.guard("journal", work)
            self.flushed.release()

        _thread.start_new_thread(flush, ())

    def finish(self, outcome: Outcome, keeper: Keeper, failure: bytes) -> None:
        """Record the end of the run."""
        self.desk.finish(self.say_progress)
        self.console.close()
        self.flushed.acquire(timeout=FLUSH_WAIT_S)
        for stream in self.session.streams:
            if stream.sink_error and not isinstance(stream.sink_error, BrokenPipeError):
                self.guard.note("warning", "output", f"{stream.name}: {stream.sink_error.strerror}")
        if self.console.broken:
            reason = f"output.log ends early: {self.console.broken.strerror or self.console.broken}"
            self.guard.note("error", "output", reason)
        elif self.flush_error:  # else it is the same full disk, and told of once
            self.guard.note("error", "journal", str(self.flush_error))
        self.guard(
            "journal",
            lambda: self.folder.end(
                self.folder.exit_facts(outcome, failure), self.console.read_marks(), self.guard.notices
            ),
        )
        _thread.start_new_thread(self.sync, ())
        keeper.leave(relay_late=self.session.pumps.any_left())

    def sync(self) -> None:
        """Bring the end of the journal to the disk. Threads: one of its own, beside the last facts."""
        self.guard("journal", self.folder.journal.sync)
        self.synced.release()

    def leave(self, outcome: Outcome) -> int:
        """Say goodbye and end as the script did."""
        self.say(self.folder.farewell(outcome))
        for line in [*map(in_words, self.guard.notices), *self.collectors_news()]:
            self.say(f"runwrap: {line}")
        number = outcome.broken_by or outcome.signal_number()
        if number:
            signals.die_by(number)
            return 128 + number
        return outcome.exit_status() or 0

    def collectors_news(self) -> list[str]:
        """Return what the collector could not do, as far as it has told."""
        os.set_blocking(self.news, False)
        try:
            return os.read(self.news, 1 << 16).decode(errors="replace").splitlines()
        except BlockingIOError:
            return []  # it is still at work

    def say(self, text: str, end: bytes = b"\n") -> None:
        """Say one line on a terminal stderr."""
        if self.speaks:
            try:
                os.write(STDERR, visible(text).encode(errors="replace") + end)
            except OSError:
                pass  # the terminal was hung up

    def say_progress(self, text: str) -> None:
        """Say what takes long, in place of what was said of it before."""
        if text or self.has_progress:
            self.say("", b"\r\x1b[K")
            self.say(text, b"")
        self.has_progress = bool(text)


def main(arguments: list[str]) -> int:
    """Launch, and turn an error of ours into a sentence, a hint and a status."""
    try:
        return launch(arguments)
    except RunwrapError as error:
        return complain(error)
    except OSError as error:
        about = f": {error.filename}" if error.filename else ""
        return complain(RunwrapError(f"cannot start: {error.strerror}{about}", "look at `runwrap doctor`"))
