"""The way from the script to its run: a JSON line, one send, and nothing is waited for (docs/socket.md).

Lines are short enough to be sent whole or not at all, so that threads and forks need no lock; a
process that was forked opens a connection of its own.
"""

import os
from os import getpid

from runwrap.inject.channel.connection import Connection
from runwrap.inject.channel.line import encoded, line_of, pieces_of
from runwrap.inject.channel.peer import answer_on, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

connections: "dict[int, Connection]" = {}


def connection_of_this_process() -> Connection:
    """Connect for the first time in this process, and let go of what a parent process has left."""
    mine = Connection()
    pid = getpid()
    found = connections.setdefault(pid, mine)
    if found is not mine:  # another thread was faster
        mine.close()
    for other in [other for other in connections if other != pid]:
        connections.pop(other).close()
    return found


def history(values: "dict[str, Any]", step: "int | None" = None, commit: "bool | None" = None) -> None:
    """Say a row of metrics, whose values are JSON."""
    connection = connections.get(getpid()) or connection_of_this_process()
    try:
        text = "".join(pieces_of(values, 0))
    except ValueError:
        text = encoded(values)
    if step is None and commit is not False:
        end = "}\n"
    else:
        end = ("" if step is None else f',"step":{step}') + (
            "}\n" if commit is not False else ',"commit":false}\n'
        )
    connection.put((connection.head + text + end).encode())


def say(kind: str, **data: "Any") -> None:
    """Say a line of another kind; what is None is left out."""
    (connections.get(getpid()) or connection_of_this_process()).put(line_of(kind, data))


def flush() -> None:
    """Say how many lines were lost, if any were."""
    connection = connections.get(getpid())
    if connection is not None:
        connection.report()


def reset() -> None:
    """Connect anew for the next line: the socket is another one now."""
    connection = connections.pop(getpid(), None)
    if connection is not None:
        connection.close()


def ask(kind: str, **data: "Any") -> "dict[str, Any] | None":
    """Say a line and return the answer, or None where none comes in time."""
    path = os.environ.get("RUNWRAP_SOCKET")
    if not path:
        return None
    try:
        peer = opened(path)
    except OSError:
        return None
    try:
        return answer_on(peer, line_of(kind, dict(data, id=1)))
    except (OSError, ValueError):  # nobody answers, or with something else
        return None
    finally:
        peer.close()
