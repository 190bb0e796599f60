"""Read with GitPython what a repository's own files say of its commit and its remote."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from git import Repo


def describe(folder: str, branch: str) -> tuple[str, str]:
    """Read the commit, and the address of the remote that a branch follows; "" for what is not there.

    Raises: OSError or ValueError, saying what is wrong with the repository.
    """
    # Without this GitPython refuses to be imported where there is no git to run.
    os.environ["GIT_PYTHON_REFRESH"] = "quiet"
    from configparser import Error as ConfigError

    from git import Repo
    from git.exc import GitError

    try:
        with Repo(folder, expand_vars=False) as repo:
            return head_commit(repo), remote_address(repo, branch)
    except (GitError, ConfigError, TypeError, LookupError, AttributeError) as error:
        text = " ".join(str(error).split())[:200]
        raise ValueError(f"{type(error).__name__}: {text}") from error


def head_commit(repo: Repo) -> str:
    """Read the commit's id; "" before the first one, and in a storage that GitPython cannot read."""
    from git.refs import SymbolicReference

    try:
        return str(SymbolicReference.dereference_recursive(repo, "HEAD"))
    except ValueError:
        return ""


def remote_address(repo: Repo, branch: str) -> str:
    """Read the address of the branch's remote, else of origin, else of the first."""
    with repo.config_reader() as reader:
        followed = f'branch "{branch}"'
        names = [str(reader.get(followed, "remote"))] if reader.has_option(followed, "remote") else []
        sections = [f'remote "{name}"' for name in [*names, "origin"]]
        sections += [section for section in reader.sections() if section.startswith("remote ")]
        for section in sections:
            if reader.has_option(section, "url"):
                return str(reader.get(section, "url"))
    return ""
