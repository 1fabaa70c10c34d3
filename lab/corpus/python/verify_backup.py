"""Reads a backup that was just written, over and over, to see that it can be read."""

import os
import sys

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def readable(path):
    size = 0
    buffer = bytearray(256 << 10)
    with open(path, "rb", buffering=0) as backup:
        while True:
            got = backup.readinto(buffer)
            if not got:
                return size
            size += got


print(sum(readable(sys.argv[1]) for _ in range(max(1, round(400 * SCALE)))))
