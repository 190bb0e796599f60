#!python
import sys

from runwrap.__main__ import main

sys.exit(main())
