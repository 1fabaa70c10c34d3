"""Looks up blocks of 256 KiB, here and there in a file that is in memory already."""

import os
import random
import sys

SCALE = float(os.environ.get("LAB_SCALE", "1"))
BLOCK = 256 << 10

file = os.open(sys.argv[1], os.O_RDONLY)
blocks = os.fstat(file).st_size // BLOCK
buffer, chance, seen = bytearray(BLOCK), random.Random(3), 0
for _ in range(max(10, round(90_000 * SCALE))):
    os.preadv(file, [buffer], chance.randrange(blocks) * BLOCK)
    seen += buffer[0]
print(seen)
