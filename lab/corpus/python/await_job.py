"""Asks every tenth of a second whether a job is done."""

import os
import sys
import time

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def done(marker, began):
    return os.path.exists(marker) or time.monotonic() - began > 3.5 * SCALE


began = time.monotonic()
looks = 0
while not done(os.path.join(sys.argv[1], "job.done"), began):
    time.sleep(0.1)
    looks += 1
print("waited", looks > 0)
