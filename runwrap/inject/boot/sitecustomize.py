"""Runs in every Python that starts with this folder on PYTHONPATH; then whatever it hides runs as without us.

It must parse on Python 2.7, where it does nothing else. What fails here is kept for the client to
tell, in `failures` of finder.py; the script never sees it. Last, the sitecustomize that a start
without us would have found is imported. Where there is none the ImportError is left to `site`,
which expects it: nothing of this module stays behind.
"""

import os
import sys

FINDER = "runwrap.inject.finder"
HERE = os.path.dirname(__file__)


class Kept(object):
    """Ends an exception of ours, and keeps what it says."""

    def __enter__(self):
        """Begin."""

    def __exit__(self, kind, error, trace):
        """End; the user may still interrupt."""
        if kind is None or issubclass(kind, KeyboardInterrupt):
            return False
        finder = sys.modules.setdefault(FINDER, type(sys)(FINDER))
        finder.__dict__.setdefault("failures", []).append("start: %s: %s" % (kind.__name__, error))
        return True


with Kept():
    while HERE in sys.path:
        sys.path.remove(HERE)
    sys.path_importer_cache.pop(HERE, None)
    if sys.version_info >= (3, 6) and FINDER not in sys.modules:
        # Both are there in every interpreter; importlib.util would bring a dozen modules with it.
        from _frozen_importlib import module_from_spec
        from _frozen_importlib_external import spec_from_file_location

        _spec = spec_from_file_location(FINDER, os.path.join(os.path.dirname(HERE), "finder.py"))
        _finder = sys.modules[FINDER] = module_from_spec(_spec)
        _spec.loader.exec_module(_finder)
        _finder.install()

if __name__ == "sitecustomize":
    # Held, because Python 2 empties a module that nobody holds while it runs.
    _ours = sys.modules.pop(__name__)
    import sitecustomize  # noqa: F401  # the one that we hide
