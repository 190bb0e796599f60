"""From a command line to an exit status; standard library only until the script runs."""
