"""The house keeps its shape: who imports whom, how large the rooms are, what things are called."""

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "runwrap"

# docs/adr/0006; anything that is not listed is forbidden.
ARROWS = {
    "record": set(),
    "errors": set(),
    "settings": {"errors"},
    "secrets": {"errors"},
    "inject": set(),
    "__init__": {"inject"},
    "store": {"record", "errors"},
    "capture": {"record", "errors"},
    "sync": {"store", "record", "settings", "errors"},
    "launch": {"capture", "store", "sync", "record", "secrets", "settings", "errors"},
    "server": {"store", "record", "settings", "errors"},
    "live": {"store", "record", "errors"},
    "cli": {"launch", "server", "sync", "live", "store", "record", "secrets", "settings", "errors"},
    "__main__": {"launch", "cli"},
    "runwrap-command": {"__main__"},
}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "handler", "misc"}

MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
TREES = {path: ast.parse(path.read_bytes(), str(path)) for path in MODULES}
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def shown(path):
    """Name a file as a reader would."""
    return str(path.relative_to(ROOT))


def room_of(path):
    """Return the folder, or the file beside the folders, that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def is_module(dotted):
    """Tell whether a dotted name is a module or a folder of ours."""
    path = ROOT / dotted.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def is_type_check(node):
    """Tell whether an `if` is for type checkers only."""
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"


def nodes_of(tree, *, with_types):
    """Walk a tree, into `if TYPE_CHECKING:` or around it."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if with_types or not is_type_check(node):
            yield from nodes_of(node, with_types=with_types)


def imports_of(path, *, with_types=True):
    """List what a file imports of ours, as dotted names of modules (or `runwrap.__version__`)."""
    for node in nodes_of(TREES[path], with_types=with_types):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "runwrap")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{shown(path)}:{node.lineno}: write imports out in full"
            if (node.module or "").split(".")[0] == "runwrap":
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from (
                    name if is_module(name) or name == "runwrap.__version__" else node.module
                    for name in names
                )


def functions():
    """List every function of the package with its file."""
    return [
        (path, node) for path, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, FUNCTION)
    ]


def line_count(node):
    """Count the lines of a function, its docstring included."""
    return node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_imports_follow_the_arrows(path):
    room = room_of(path)
    for name in imports_of(path):
        target = name.split(".")[1] if "." in name else "__init__"
        if target == "__version__":  # one word, which every part may say
            continue
        assert target == room or target in ARROWS[room], f"{room} may not import {name}"


# The two ways to run a script on a terminal: each conducts its own processes, and neither knows the other.
MODES = {"runwrap/launch": {"full.py", "hybrid.py"}}


def siblings_of(path):
    """Return the files beside a file that it imports when it runs."""
    folder = ".".join(path.relative_to(ROOT).parent.parts)
    names = {name.removeprefix(folder + ".").split(".")[0] for name in imports_of(path, with_types=False)}
    return {sibling for sibling in path.parent.glob("*.py") if sibling.stem in names and sibling != path}


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES} - {PACKAGE}), ids=shown)
def test_siblings_import_only_leaves_but_for_the_one_that_conducts(folder):
    imports = {path: siblings_of(path) for path in folder.glob("*.py")}
    leaves = {path for path, siblings in imports.items() if not siblings}
    deep = {path.name for path, siblings in imports.items() if siblings - leaves}
    modes = MODES.get(shown(folder), set())
    assert len(deep - modes) <= 1, f"only one file may conduct, not {sorted(deep)}"
    assert not {sibling.name for mode in modes for sibling in imports[folder / mode]} & (deep | modes)


def test_functions_are_short():
    counts = [line_count(node) for _, node in functions()]
    assert statistics.median(counts) <= 8
    assert [f"{shown(path)}:{node.name}" for path, node in functions() if line_count(node) > 60] == []


@pytest.mark.parametrize(("paths", "limit"), [(MODULES, 300), (TESTS, 500)], ids=["runwrap", "tests"])
def test_files_are_short(paths, limit):
    counts = {shown(path): len(path.read_text().splitlines()) for path in paths}
    assert {name: count for name, count in counts.items() if count > limit} == {}


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=shown)
def test_names_say_something(path):
    words = {word for part in path.relative_to(ROOT).parts for word in part.removesuffix(".py").split("_")}
    assert not words & FORBIDDEN_NAMES


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=shown)
def test_module_says_in_a_docstring_what_it_is_for(path):
    text = path.read_text()
    tree = ast.parse(text)
    assert path.name == "runwrap-command.py" or ast.get_docstring(tree), "a module begins with a docstring"
    assert text.endswith("\n")


def public_functions(tree):
    """List public functions and methods; those inside a function are nobody's business."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node)
        elif isinstance(node, FUNCTION) and not node.name.startswith("_"):
            yield node


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_public_function_says_in_a_sentence_what_it_does(path):
    for node in public_functions(TREES[path]):
        first = (ast.get_docstring(node) or "").split("\n\n")[0]
        assert first.endswith((".", "?", "!")), f"{node.name} in line {node.lineno}"


def test_exceptions_are_caught_by_name_but_in_the_one_guard():
    broad = [
        f"{shown(path)}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException"))
    ]
    assert [place for place in broad if not place.startswith("runwrap/launch/guard.py:")] == []
    assert len(broad) <= 1


def test_readme_and_ci_run_the_same_command():
    last = (ROOT / ".ci/run").read_text().strip().splitlines()[-1]
    assert f"\n```sh\n{last}\n```\n" in (ROOT / "README.md").read_text()
