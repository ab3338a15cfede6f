"""The garbage collector, in a process whose calls must not wait for it.

Nearly all of a call is freed by its last reference. Cycles are few (a task, an exception with its
traceback), while what lives is much: by its own settings Python looks for cycles after each
700 objects that stay, through all objects every so often, and every call waits for that.
"""

import gc

# How many more objects there must be than at the last search before there is another.
NEW_OBJECTS = 20_000

# Looks at the new ones for one at the older, and of those for one at all.
LOOKS = 10


def tame() -> None:
    """Leave what is there at the start out of every search, and search seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, LOOKS, LOOKS)
