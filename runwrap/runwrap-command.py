#!python
import gc
import sys

# A collection would find nothing and cost a tenth of the start.
gc.disable()

from runwrap.__main__ import main  # noqa: E402  # that is what the line above is for

sys.exit(main())
