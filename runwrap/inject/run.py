"""The run as the script has it: what it is called, what it logs, and its end."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runwrap.inject.config import Config
    from runwrap.inject.summary import Points, Summary

SUMMARY_WORDS = {"copy": "last", "first": "last"}
RULES = ("last", "min", "max", "mean", "best", "none")
LEVELS = {"warn": "warning", "critical": "error", "fatal": "error"}
KNOWN_LEVELS = ("info", "warning", "error")


def never(*_: "Any") -> bool:
    """Tell that nothing is recorded."""
    return False


class Run:
    """One run; outside of runwrap, and before init(), nothing that it does is recorded.

    `channel` is how it speaks, `values` makes JSON of what it says, and `others` become methods of it.
    """

    def __init__(
        self,
        channel: "Any",
        values: "Any",
        config: "Config",
        summary: "Summary",
        points: "Points",
        **others: "Callable[..., Any]",
    ) -> None:
        self.config = config
        self.summary = summary
        self._points = points
        # Their functions, not the modules: a module that somebody holds is emptied when Python ends.
        self._history, self._say, self._get_answer = channel.history, channel.say, channel.ask
        self._row, self._whole = values.row, values.whole
        self._is_ending: "Callable[[], bool]" = sys.is_finalizing
        # Whether rows are sent; where they are not, `_wake` looks whether that has changed.
        self._is_on = False
        self._wake: "Callable[[], bool]" = never
        self._end: "Callable[[int], Any]" = never
        self._step = 0
        self._facts: "dict[str, Any] | None" = None
        self._tags: "tuple[str, ...]" = ()
        self._notes = ""
        self._folder = ""
        self.__dict__.update(others)

    def log(
        self, values: "Any" = None, step: "Any" = None, commit: "bool | None" = None, **others: "Any"
    ) -> None:
        """Log values of one step: the next one, or the given one.

        With commit=False the step stays open for what is logged next. Raises: TypeError.
        """
        if not self._is_on and not self._wake():
            return
        try:
            # A copy, for another thread may change them.
            values = dict(values) if type(values) is dict else self._row(values, self._complain)
            for name, value in values.items():
                if type(value) is not float or type(name) is not str:
                    values = self._row(values, self._complain)
                    break
            if step is not None and type(step) is not int:
                step = self._whole(step, self._complain)
            self._points.take(values)
            self._history(values, step, commit)
            self._step = (self._step if step is None else step) + (commit is not False)
        except (AttributeError, ImportError, TypeError):
            if not self._is_ending():  # then much of what we need is gone
                raise

    def define_metric(
        self,
        name: str,
        step_metric: "Any" = None,
        summary: "str | None" = None,
        goal: "str | None" = None,
        **others: "Any",
    ) -> None:
        """Say how a metric is to be read: drawn over which other, and which of its values stands for it."""
        if not self._is_on and not self._wake():
            return
        name = str(getattr(name, "name", name))
        words = [SUMMARY_WORDS.get(word, word) for word in str(summary or "").lower().split(",") if word]
        known = [word for word in words if word in RULES]
        if len(words) > 1 or len(known) < len(words):
            self._complain(
                f"define_metric({name!r}, summary={summary!r}): one of {', '.join(RULES)} is kept."
            )
        rule = known[0] if known else None
        step_metric = None if step_metric is None else str(getattr(step_metric, "name", step_metric))
        self._points.define(name, rule, goal)
        self._say("metric", name=name, step_metric=step_metric, summary=rule, goal=goal)

    def alert(self, title: "Any", text: "Any" = "", level: "Any" = "info", **others: "Any") -> None:
        """Say something that people should know now; the level is info, warning or error."""
        if not self._is_on and not self._wake():
            return
        word = str(getattr(level, "value", level) or "info").lower()
        word = LEVELS.get(word, word)
        known = word if word in KNOWN_LEVELS else "warning"
        self._say("alert", title=str(title), text=str(text), level=known)

    def finish(self, exit_code: "int | None" = None, status: "int | None" = None, **others: "Any") -> None:
        """End the run that init() began; under runwrap the run ends with its command."""
        self._end(int(exit_code or status or 0))

    def _complain(self, text: str) -> None:
        self._say("notice", level="warning", part="client", text=text)

    def _ask(self, kind: str, **data: "Any") -> "dict[str, Any]":
        """Say a line whose answer tells of the run, and keep what it tells."""
        answer = self._get_answer(kind, **data) if self._is_on or self._wake() else None
        self._facts = (answer or {}).get("run") or dict(self._facts or {})
        return self._facts

    def _fact(self, key: str) -> "Any":
        facts = self._ask("hello", pid=os.getpid()) if self._facts is None else self._facts
        return facts.get(key)

    def _begin(self, facts: "dict[str, Any] | None" = None) -> None:
        """Forget what was known of another run."""
        self._facts, self._tags, self._notes, self._step = facts, (), "", 0
        self._points.clear()

    @property
    def id(self) -> str:
        """The id of the run."""
        return str(self._fact("id") or "")

    @property
    def name(self) -> str:
        """The name of the run; it may be set."""
        return str(self._fact("name") or "")

    @name.setter
    def name(self, name: str) -> None:
        """Rename the run, unless it was given a name by who started it."""
        self._ask("init", name=str(name))

    @property
    def project(self) -> str:
        """The project of the run."""
        return str(self._fact("project") or "")

    @property
    def step(self) -> int:
        """The step that is logged next, as far as this process knows."""
        return self._step

    @property
    def entity(self) -> str:
        """Nobody: runs belong to who can read them."""
        return ""

    @property
    def path(self) -> str:
        """The project and the id of the run."""
        return f"{self.project}/{self.id}"

    @property
    def group(self) -> "str | None":
        """The group of the run."""
        return self._fact("group")  # type: ignore[no-any-return]

    @property
    def job_type(self) -> "str | None":
        """What kind of job the run is."""
        return self._fact("job_type")  # type: ignore[no-any-return]

    @property
    def url(self) -> "str | None":
        """Where the run is shown: there is no page for it."""
        return self._fact("url")  # type: ignore[no-any-return]

    def get_url(self) -> "str | None":
        """Return where the run is shown."""
        return self.url

    @property
    def dir(self) -> str:
        """A folder for files of the run."""
        found = self._fact("files") or os.environ.get("RUNWRAP_FILES") or self._folder
        if not found:
            import tempfile

            found = self._folder = tempfile.mkdtemp(prefix="runwrap-")
        return str(found)

    @property
    def tags(self) -> "tuple[str, ...]":
        """The tags that the script has given; they may be set."""
        return self._tags

    @tags.setter
    def tags(self, tags: "Any") -> None:
        """Give the run these tags instead."""
        new = tuple([tags] if isinstance(tags, str) else [str(tag) for tag in tags or ()])
        added = [tag for tag in new if tag not in self._tags]
        removed = [tag for tag in self._tags if tag not in new]
        self._tags = new
        if self._is_on or self._wake():
            self._say("tag", add=added, remove=removed)

    @property
    def notes(self) -> str:
        """The note that the script has given; it may be set."""
        return self._notes

    @notes.setter
    def notes(self, text: "Any") -> None:
        """Say what the run is about."""
        self._notes = str(text or "")
        if self._is_on or self._wake():
            self._say("note", text=self._notes)

    def log_code(self, *_: "Any", **__: "Any") -> None:
        """Do nothing: the commit and what differs from it are recorded anyway."""

    def mark_preempting(self) -> None:
        """Do nothing: a run that is ended from outside shows that."""

    @property
    def disabled(self) -> bool:
        """Whether nothing is recorded."""
        return not self._is_on and not self._wake()

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.finish(0 if kind is None else 1)

    def __repr__(self) -> str:
        return f"<runwrap run {self.name or 'that is not recorded'}>"
