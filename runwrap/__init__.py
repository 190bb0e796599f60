"""runwrap: put it in front of any command and the command becomes a tracked experiment."""

__version__ = "0.1.0"
