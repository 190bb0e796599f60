"""What enters an interpreter at its start: `import runwrap` where it is not installed, and hooks.

boot/sitecustomize.py loads this file by its path. It must stay small, and import nothing that
Python has not loaded by then.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from typing import Any

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# What a script imports, and the module of ours whose apply() is then called with it.
HOOKS: "dict[str, str]" = {}

# What went wrong in us, for the client to tell.
failures: "list[str]" = []


class Kept:
    """Ends an exception of ours, and keeps what it says: the one guard inside of a script."""

    def __init__(self, part: str) -> None:
        self.part = part

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: "type[BaseException] | None", error: "BaseException | None", trace: object
    ) -> bool:
        """End; the user may still interrupt."""
        if kind is None or issubclass(kind, KeyboardInterrupt):
            return False
        from traceback import format_exception_only

        failures.append(self.part + ": " + format_exception_only(kind, error)[-1].strip())
        return True


class PackageFinder:
    """Finds the package `runwrap` of this installation, after everybody else; nothing beside it."""

    __slots__ = ()

    def find_spec(self, name: str, path: object = None, target: object = None) -> "ModuleSpec | None":
        """Answer for one name."""
        if name != "runwrap":
            return None
        from _frozen_importlib_external import spec_from_file_location

        origin = os.path.join(PACKAGE, "__init__.py")
        if not os.path.isfile(origin):
            return None
        return spec_from_file_location(name, origin, submodule_search_locations=[PACKAGE])


class HookFinder:
    """Finds what is hooked as the finders after it do, and has the hook run when it was loaded."""

    __slots__ = ("hooks",)

    def __init__(self, hooks: "dict[str, str]") -> None:
        self.hooks = hooks

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "ModuleSpec | None":
        """Answer for the names that are hooked."""
        if name not in self.hooks:
            return None
        spec = self.spec_of_others(name, path, target)
        if spec is not None and spec.loader is not None:
            hook = self.hooks[name]
            with Kept("hook " + word_of(hook)):
                hook_once(spec.loader, name, hook)
        return spec

    def spec_of_others(self, name: str, path: "Any", target: "Any") -> "ModuleSpec | None":
        """Ask the finders after this one; nothing, where one of them is to be asked in another way."""
        finders: list[Any] = list(sys.meta_path)
        for finder in finders[finders.index(self) + 1 if self in finders else 0 :]:
            find_spec = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find_spec and find_spec(name, path, target)
            if spec is not None or find_spec is None:
                return spec
        return None


def hook_once(loader: "Any", name: str, hook: str) -> None:
    """Give a loader an `exec_module` of its own, which takes itself away when it loads the module `name`.

    So the loader that everybody sees is the ordinary one. It may be one that loads other modules too.
    """
    if isinstance(loader, type):
        raise TypeError("%s is loaded by %s, which cannot be hooked" % (name, loader.__name__))
    real = loader.exec_module
    before = loader.__dict__.get("exec_module")

    def exec_module_for_runwrap_hook(module: "Any") -> None:
        is_hooked = module.__name__ == name
        if is_hooked and loader.__dict__.get("exec_module") is exec_module_for_runwrap_hook:
            if before is None:
                del loader.exec_module
            else:
                loader.exec_module = before
        real(module)
        if is_hooked:
            with Kept("hook " + word_of(hook)):
                __import__(hook)
                sys.modules[hook].apply(module)

    loader.exec_module = exec_module_for_runwrap_hook


def word_of(hook: str) -> str:
    """Return what a hook is called by people."""
    return hook.rpartition(".")[2]


def wanted(hooks: "dict[str, str]", words: str) -> "dict[str, str]":
    """Choose hooks as RUNWRAP_HOOKS says: `all`, `none` (or nothing), `a,b`, or all but some: `-a,-b`."""
    known = {word_of(hook) for hook in hooks.values()}
    listed = words.replace(",", " ").split()
    chosen = set(known) if listed and all(word[0] in "+-" for word in listed) else set()
    for word in listed:
        names = known if word in ("all", "+all") else {word.lstrip("+-")}
        chosen = chosen - names if word[0] == "-" else chosen | names
    return {name: hook for name, hook in hooks.items() if word_of(hook) in chosen}


def install() -> None:
    """Begin to find; the hooks only if there are any, and are wanted."""
    sys.meta_path.append(PackageFinder())
    hooks = HOOKS and wanted(HOOKS, os.environ.get("RUNWRAP_HOOKS", ""))
    if hooks:
        sys.meta_path.insert(0, HookFinder(hooks))
