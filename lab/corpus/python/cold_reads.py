"""Reads pieces of a large file from all over it, past the page cache, as a database does."""

import mmap
import os
import sys

SCALE = float(os.environ.get("LAB_SCALE", "1"))
BLOCK = 1 << 20

file = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT)
blocks = os.fstat(file).st_size // BLOCK
buffer = mmap.mmap(-1, BLOCK)
total = 0
for number in range(max(2, round(3200 * SCALE))):
    total += os.preadv(file, [buffer], number * 7919 % blocks * BLOCK)
    total += buffer[0]
print(total)
