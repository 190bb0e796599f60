"""The socket of a run, where what reads it fails."""

import socket
import threading

import pytest

from runwrap.launch.guard import Guard
from runwrap.launch.listener import Listener


def test_nobody_waits_for_a_reader_that_has_failed():
    listener, guard, connected = Listener("0123456789abc"), Guard(), threading.Event()

    def fail(*_):
        connected.wait()
        raise LookupError("the reader")

    listener.start(guard, fail)
    with socket.socket(socket.AF_UNIX) as early:
        early.connect(listener.path)
        connected.set()
        listener.stop()
        with pytest.raises(BrokenPipeError):
            early.send(b"{}\n")
    with socket.socket(socket.AF_UNIX) as late, pytest.raises(ConnectionRefusedError):
        late.connect(listener.path)
    listener.remove()
    assert [notice["text"] for notice in guard.notices] == ["LookupError: the reader"]
