"""What enters the interpreter of a script: standard library only, Python 3.6 and later."""
