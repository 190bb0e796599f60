"""runwrap: put it in front of any command and the command becomes a tracked experiment."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from runwrap.inject.api import (
        Api,
        Artifact,
        Settings,
        alert,
        config,
        define_metric,
        finish,
        init,
        log,
        login,
        restore,
        run,
        save,
        summary,
        unwatch,
        watch,
    )
    from runwrap.inject.media import (
        Audio,
        Gallery,
        Histogram,
        Html,
        Image,
        Markdown,
        Molecule,
        Object3D,
        Plotly,
        Table,
        Text,
        Video,
        plot,
    )
else:
    ModuleType = type(sys)

__version__ = "0.1.0"
# What a script finds here. The command imports this file too, so the rest comes when it is asked for.
__all__ = [
    "Api",
    "Artifact",
    "Audio",
    "Gallery",
    "Histogram",
    "Html",
    "Image",
    "Markdown",
    "Molecule",
    "Object3D",
    "Plotly",
    "Settings",
    "Table",
    "Text",
    "Video",
    "alert",
    "config",
    "define_metric",
    "finish",
    "init",
    "log",
    "login",
    "plot",
    "restore",
    "run",
    "save",
    "summary",
    "unwatch",
    "watch",
]


# What nobody imports with `*`. All are listed: `from runwrap import settings` looks here for a module first.
MORE = {
    *("AlertLevel", "Classes", "Config", "ConfigChangeError", "Run", "Summary", "agent", "controller"),
    *("link_artifact", "log_artifact", "log_model", "require", "setup", "sweep", "teardown"),
    *("use_artifact", "use_model"),
}


class Package(ModuleType):
    """Gives what runwrap/inject/api.py has; a module has no `__getattr__` of its own in Python 3.6."""

    def __getattr__(self, name: str) -> object:
        if name not in __all__ and name not in MORE:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        from runwrap.inject import api

        found = self.__dict__[name] = getattr(api, name)
        return found

    def __setattr__(self, name: str, value: object) -> None:
        """Set; a config that is set as a whole, as old scripts do, is added to that of the run."""
        if name == "config":
            from runwrap.inject import api

            if value is not api.config:
                api.config.update(value)
        else:
            super().__setattr__(name, value)

    def __dir__(self) -> "list[str]":
        return sorted({*super().__dir__(), *__all__, *MORE})


sys.modules[__name__].__class__ = Package
OUR_OWN = ("runwrap", "runwrap-command.py", "-m", "__main__.py")
if (
    os.environ.get("RUNWRAP_SOCKET")
    and os.path.basename(*getattr(sys, "argv", [])[:1] or [""]) not in OUR_OWN
):
    # Here and not at the first row: that may come in a signal handler, or while another thread forks.
    from runwrap.inject import api as api
