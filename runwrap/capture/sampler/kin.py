"""By what the processes of a script are known."""

from __future__ import annotations

import os


class Kin:
    """By what the processes of a script are known: as children of `parents`, or as `roots` themselves.

    `mark` stands in the environment of everything that the script starts. `strangers` are processes of
    ours, which never count, nor do their children, unless they are among the parents.
    """

    __slots__ = ("mark", "parents", "roots", "strangers")

    def __init__(self, mark: str, parents: set[int], strangers: set[int], roots: frozenset[int]) -> None:
        self.mark = os.fsencode(mark)
        self.parents = parents
        self.strangers = strangers
        self.roots = roots
