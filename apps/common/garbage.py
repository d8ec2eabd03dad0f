"""Keep Python's garbage collector from stopping a process for long."""

import gc

# How many more objects are created than deleted before the youngest are looked at. Python's 700 are
# less than one slice of a batch or one chunk of a worker keeps, so they were looked at several
# times before anything could be deleted.
YOUNGEST_OBJECTS = 10_000
# So many collections of younger objects come before one of older objects, as Python has it.
OLDER_AFTER = 10


def settle() -> None:
    """Leave what the process has loaded out of later collections. Call it at the end of its start.

    Code, classes and settings are 190,000 objects in a web process and 130,000 in a worker, and
    stay until the end. A collection of all objects reads them too, which takes 95 and 77 ms, and
    all threads of the process wait for it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNGEST_OBJECTS, OLDER_AFTER, OLDER_AFTER)
