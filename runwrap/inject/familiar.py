"""Names that scripts of other trackers use, and that mean nothing here, or something else."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FILES = "runwrap.save(path) puts a file into the run"
RUNS = "`runwrap runs` and `runwrap show` tell of runs"
ABSENT = {
    **dict.fromkeys(
        ("Artifact", "link_artifact", "log_artifact", "log_model", "use_artifact", "use_model"), FILES
    ),
    **dict.fromkeys(("Api", "agent", "controller", "sweep"), RUNS),
}
# Arguments of init() that settle what there is nothing to settle about.
IDLE = {"anonymous", "entity", "force", "magic", "reinit", "save_code", "settings"}


class AlertLevel:
    """Words for how urgent an alert is."""

    INFO = "info"
    WARN = "warning"
    ERROR = "error"


class Settings:
    """Settings of another tracker, which mean nothing here."""

    def __init__(self, *_: "Any", **named: "Any") -> None:
        self.__dict__.update(named)


def login(*_: "Any", **__: "Any") -> bool:
    """Do nothing: there is nothing to log in to."""
    return True


def missing(name: str) -> "Callable[..., Any]":
    """Return what says that something is not there, and what there is."""

    def refuse(*_: "Any", **__: "Any") -> "Any":
        raise NotImplementedError(f"runwrap has no {name}; {ABSENT[name]}")

    return refuse
