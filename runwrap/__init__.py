"""runwrap: put it in front of any command and the command becomes a tracked experiment."""
