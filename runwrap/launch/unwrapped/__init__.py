"""The run of a script that calls init() itself and was not started by runwrap."""
