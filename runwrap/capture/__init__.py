"""Capture the facts of a run; what is found goes to an `emit`, and nothing here knows where it is kept."""
