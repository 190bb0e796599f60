"""What `import runwrap` gives a script: log, config, summary, run, init and their like.

Under runwrap all of it works as it stands; elsewhere init() starts a collector, and before that
nothing is recorded. A script that says `import runwrap as wandb` finds the names that it is used to.
"""

import os
import sys
from types import ModuleType

from runwrap.inject import channel, familiar, values
from runwrap.inject.collector import Collector, NoCollectorError, of_this_process
from runwrap.inject.config import Config, ConfigChangeError
from runwrap.inject.run import Run, never
from runwrap.inject.summary import Points, Summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Config", "ConfigChangeError", "Run", "Summary", "config", "init", "log", "run", "summary"]

MEDIA = ("Audio", "Classes", "Gallery", "Histogram", "Html", "Image", "Markdown")
MORE_MEDIA = ("Molecule", "Object3D", "Plotly", "Table", "Text", "Video", "plot")
# Arguments of init() that are settled once runwrap has started the command.
SETTLED = ("id", "resume", "dir")
state: "dict[str, Any]" = {"collector": None, "is_finished": False, "is_told": False}


def tell_outside(text: str) -> None:
    """Say once on stderr that nothing is recorded; under runwrap nothing of ours is printed."""
    if not state["is_told"]:
        state["is_told"] = True
        try:
            sys.stderr.write(f"runwrap: {text}\n")
        except (AttributeError, OSError, ValueError):
            pass  # there is no stderr


def wake() -> bool:
    """Begin to record, if there is a run by now; else say once that there is none."""
    is_disabled = mode_of(None) == "disabled"
    if os.environ.get("RUNWRAP_SOCKET"):
        run._is_on = not is_disabled
        return run._is_on
    if not is_disabled:
        tell_outside("nothing is recorded: start the script with `runwrap`, or call runwrap.init() first")
    return False


def mode_of(mode: "str | None") -> "str | None":
    """Return the mode that was given to init(), or with the environment."""
    return mode or os.environ.get("RUNWRAP_MODE") or os.environ.get("WANDB_MODE")


def is_on() -> bool:
    """Tell whether what the script says is recorded."""
    return run._is_on or run._wake()


def complain(text: str) -> None:
    """Tell the run what could not be done."""
    if run._is_on:
        channel.say("notice", level="warning", part="client", text=text)


def say_config(changed: "dict[str, Any]") -> None:
    """Send settings."""
    if is_on():
        channel.say("config", values=changed, source="api")


def say_summary(row: "dict[str, Any]") -> None:
    """Send values of the summary that were set by hand."""
    if is_on():
        channel.say("summary", values=row)


def given_config() -> "tuple[dict[str, Any], Any]":
    """Return the settings that the run has, and which of them no script may change (None: all)."""
    found = run._fact("config")
    return (found if isinstance(found, dict) else {}), run._fact("flags")


def save(*args: "Any", **named: "Any") -> "Any":
    """Put files into the run: a path or a pattern, copied now or at the end."""
    if not is_on():
        return None
    from runwrap.inject import files

    return files.save(*args, **named)


def restore(*args: "Any", **named: "Any") -> "Any":
    """Get a file of a run back, and return it opened."""
    if not is_on():
        return None
    from runwrap.inject import files

    return files.restore(*args, **named)


def watch(*args: "Any", **named: "Any") -> "Any":
    """Log histograms of the gradients and parameters of models while they are trained."""
    if not is_on():
        return None
    from runwrap.inject import watch as watching

    return watching.watch(*args, **named)


def unwatch(*args: "Any", **named: "Any") -> "Any":
    """Stop what watch() began."""
    if not is_on():
        return None
    from runwrap.inject import watch as watching

    return watching.unwatch(*args, **named)


points = Points()
config = Config(None, say_config, values.plain, values.mapping_of)
summary = Summary(say_summary, lambda row: values.row(row, complain), points)
run = Run(channel, values, config, summary, points, save=save, restore=restore, watch=watch, unwatch=unwatch)
run._wake = wake
config._begin(given_config, may_change=False)

# Bound here, so that a row costs one call less.
log = run.log
define_metric = run.define_metric
alert = run.alert
finish = run.finish


def init(
    project: "str | None" = None,
    name: "str | None" = None,
    notes: "str | None" = None,
    tags: "Any" = None,
    config: "Any" = None,
    group: "str | None" = None,
    job_type: "str | None" = None,
    id: "str | None" = None,
    resume: "Any" = None,
    dir: "Any" = None,
    mode: "str | None" = None,
    allow_val_change: bool = False,
    **unknown: "Any",
) -> Run:
    """Say what the run is called and what its settings are; outside of runwrap this begins it.

    What was given to runwrap itself stays. Raises: ConfigChangeError, TypeError.
    """
    called = {"project": project, "name": name, "group": group, "job_type": job_type, "notes": notes}
    said: "dict[str, Any]" = {key: str(value) for key, value in called.items() if value is not None}
    tags = [tags] if isinstance(tags, str) else [str(tag) for tag in tags or ()]
    settled = {"id": id, "resume": resume, "dir": dir}
    begin_again()
    run._wake = wake
    passed_over = sorted(set(unknown) - familiar.IDLE)
    if mode_of(mode) == "disabled":
        run._is_on, run._wake = False, never
    elif os.environ.get("RUNWRAP_SOCKET"):
        run._is_on = True
        passed_over += [key for key in SETTLED if settled[key] and (id or key == "dir")]
    else:
        run._is_on = begin_outside(dict(said, tags=tags, **{key: word(settled[key]) for key in SETTLED}))
    if run._is_on:
        run._ask("init", **dict(said, tags=tags or None))
        run._tags, run._notes = tuple(tags), said.get("notes", "")
    if passed_over:
        complain(
            f"These arguments of init() mean nothing here, and were passed over: {', '.join(passed_over)}."
        )
    run.config._allow_changes(allow_val_change)
    if config is not None:
        run.config.update(config)
    return run


def word(value: "Any") -> "Any":
    """Return an argument of init() for the collector."""
    return value if value is None or isinstance(value, bool) else str(value)


def begin_again() -> None:
    """Forget the settings of a run that was finished."""
    if state["is_finished"]:
        state["is_finished"] = False
        complain("init() was called again after finish(): all of it goes into one run.")
        run._begin()
        run.config._begin(given_config, may_change=False)


def begin_outside(settings: "dict[str, Any]") -> bool:
    """Start a collector, since nobody else has; tell whether there is one."""
    import atexit

    try:
        collector = Collector(dict(settings, **of_this_process()))
    except NoCollectorError as error:
        tell_outside(f"nothing is recorded: {error}")
        return False
    state["collector"] = collector
    channel.reset()
    run._begin(collector.facts)
    atexit.register(collector.end)
    return True


def end(status: int) -> None:
    """End the run: with its collector, if it has one of its own."""
    state["is_finished"] = True
    channel.flush()
    collector, state["collector"] = state["collector"], None
    if collector is not None:
        run._is_on = False
        channel.reset()
        collector.end(status)


run._end = end


login = setup = teardown = require = familiar.login
Settings, AlertLevel = familiar.Settings, familiar.AlertLevel
Artifact, Api = familiar.missing("Artifact"), familiar.missing("Api")
for _name in familiar.ABSENT:
    globals()[_name] = run.__dict__[_name] = familiar.missing(_name)


class Door(ModuleType):
    """Brings media when they are asked for; a module has no `__getattr__` of its own in Python 3.6."""

    def __getattr__(self, name: str) -> "Any":
        if name not in MEDIA and name not in MORE_MEDIA:
            raise AttributeError(f"runwrap has no {name!r}")
        from runwrap.inject import media

        found = getattr(media, name)
        setattr(self, name, found)
        return found


sys.modules[__name__].__class__ = Door
