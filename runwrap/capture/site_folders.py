"""Find the folders in which an interpreter's packages lie, from its files and without running it."""

from __future__ import annotations

import os
import sys

from runwrap.capture.small_file import read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

ASK_TIMEOUT_S = 2.0
ANSWER_SIZE_BYTES = 1 << 16
# In words that Python 2 knows too.
QUESTION = (
    "import sys; version = '.'.join(map(str, sys.version_info[:3]));"
    "sys.stdout.write('\\n'.join([sys.executable, version] + sys.path))"
)
KINDS = ("python", "pypy")


class Site:
    """An interpreter, its version as exactly as its files tell it, and where its packages lie, in order."""

    __slots__ = ("folders", "interpreter", "version")

    def __init__(self, interpreter: str, version: str, folders: list[str]) -> None:
        self.interpreter = interpreter
        self.version = version
        self.folders = folders


def find_site(interpreter: str, cwd: str, environ: Mapping[str, str], is_shim: bool) -> Site | None:
    """Find an interpreter's packages; one whose files do not tell is asked, which None says was in vain.

    Blocks: at most 2 s, and only if it has to be asked.
    """
    site = None if is_shim else of_environment(interpreter, environ) or of_installation(interpreter, environ)
    site = site or ask(interpreter, cwd, environ)
    if site:
        given = [os.path.join(cwd, folder) for folder in environ.get("PYTHONPATH", "").split(":") if folder]
        site.folders = list(dict.fromkeys(folder for folder in given + site.folders if os.path.isdir(folder)))
    return site


def of_environment(interpreter: str, environ: Mapping[str, str]) -> Site | None:
    """Read a virtual environment; None when the interpreter is in none.

    Source: the library reference, module site; PEP 405.
    """
    for prefix in (os.path.dirname(interpreter), os.path.dirname(os.path.dirname(interpreter))):
        settings = read_settings(prefix + "/pyvenv.cfg")
        if settings:
            break
    else:
        return None
    version = exact(settings.get("version") or settings.get("version_info", ""))
    folders = libraries(prefix, minor(version))
    if settings.get("include-system-site-packages", "").lower() == "true":
        folders += base_folders(settings.get("home", ""), minor(version), environ)
    return Site(interpreter, version, folders) if folders else None


def of_installation(interpreter: str, environ: Mapping[str, str]) -> Site | None:
    """Read an installed Python, of a distribution, conda, pyenv or built by hand."""
    real = os.path.realpath(interpreter)
    prefix = os.path.dirname(os.path.dirname(real))
    series = series_of(os.path.basename(real)) or only_series(prefix)
    folders = installed_folders(prefix, series)
    if not series or not folders:
        return None
    version = own_version(real) or header_version(prefix, series) or series
    return Site(interpreter, version, user_folders(series, environ) + folders)


def base_folders(home: str, series: str, environ: Mapping[str, str]) -> list[str]:
    """List the folders that a virtual environment adds from the Python that it was made with."""
    real = os.path.realpath(f"{home}/python{series}")
    prefix = os.path.dirname(os.path.dirname(real))
    return user_folders(series, environ) + installed_folders(prefix, series)


def installed_folders(prefix: str, series: str) -> list[str]:
    """List the package folders of an installation; Debian and Fedora have more than one."""
    if prefix != "/usr":
        return libraries(prefix, series)
    if os.path.isdir("/usr/lib/python3/dist-packages"):
        return [f"/usr/local/lib/python{series}/dist-packages", "/usr/lib/python3/dist-packages"]
    return libraries("/usr/local", series) + libraries(prefix, series)


def user_folders(series: str, environ: Mapping[str, str]) -> list[str]:
    """List the folder of what the user installed for himself, unless it is off."""
    home = environ.get("HOME")
    base = environ.get("PYTHONUSERBASE") or (f"{home}/.local" if home else "")
    if environ.get("PYTHONNOUSERSITE") or not base:
        return []
    return [f"{base}/lib/python{series}/site-packages"]


def libraries(prefix: str, series: str) -> list[str]:
    """List the `lib/python3.12/site-packages` of a prefix that are there; any series when it is unknown."""
    found = []
    for lib in ("lib64", "lib"):
        for name in series_folders(f"{prefix}/{lib}"):
            folder = f"{prefix}/{lib}/{name}/site-packages"
            if (not series or series_of(name) == series) and os.path.isdir(folder):
                found.append(folder)
    return found if len({os.path.realpath(folder) for folder in found}) > 1 else found[-1:]


def series_folders(folder: str) -> list[str]:
    """List the names like python3.12 in a folder."""
    try:
        return sorted(name for name in os.listdir(folder) if name.startswith(KINDS))
    except OSError:
        return []


def only_series(prefix: str) -> str:
    """Tell the series of an installation that holds one only."""
    found = {series_of(name) for name in series_folders(prefix + "/lib")} - {""}
    return found.pop() if len(found) == 1 else ""


def own_version(real: str) -> str:
    """Tell the exact version when it is the interpreter that we run in ourselves."""
    same = real == os.path.realpath(sys.executable or "/")
    return ".".join(map(str, sys.version_info[:3])) if same else ""


def header_version(prefix: str, series: str) -> str:
    """Read the exact version from the header files, which conda and pyenv install too."""
    for line in read_text(f"{prefix}/include/python{series}/patchlevel.h").splitlines():
        words = line.split()
        if words[:2] == ["#define", "PY_VERSION"]:
            return words[-1].strip('"')
    return ""


def read_settings(path: str) -> dict[str, str]:
    """Read the `key = value` lines of pyvenv.cfg."""
    pairs = (line.partition("=") for line in read_text(path).splitlines())
    return {key.strip().lower(): value.strip() for key, mark, value in pairs if mark}


def exact(version: str) -> str:
    """Take the three numbers from what is written as 3.12.1.final.0 elsewhere."""
    return ".".join(version.split(".")[:3])


def series_of(name: str) -> str:
    """Take the series from a name like python3.12 or pypy3.10."""
    return minor(name.lstrip("python"))


def minor(version: str) -> str:
    """Take the series, 3.12, from a version; "" when there is none."""
    parts = version.rstrip("tdmu").split(".")
    return ".".join(parts[:2]) if len(parts) > 1 and parts[0].isdigit() and parts[1].isdigit() else ""


def ask(interpreter: str, cwd: str, environ: Mapping[str, str]) -> Site | None:
    """Ask an interpreter for its version and its path."""
    import subprocess

    try:
        answer = subprocess.run(
            [interpreter, "-E", "-s", "-c", QUESTION],
            check=True,
            cwd=cwd,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=ASK_TIMEOUT_S,
        ).stdout
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    lines = os.fsdecode(answer[:ANSWER_SIZE_BYTES]).splitlines()
    if not lines[1:]:
        return None
    path, version, *folders = lines
    return Site(path or interpreter, version, user_folders(minor(version), environ) + folders)
