"""Checksums on a pool of as many processes as there are cores."""

import multiprocessing
import os

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def checksum(seed):
    value = seed
    for n in range(round(500_000 * SCALE)):
        value = (value * 33 + n) & 0xFFFFFFFF
    return value


if __name__ == "__main__":
    cores = len(os.sched_getaffinity(0))
    with multiprocessing.Pool(cores) as workers:
        print(sum(workers.imap_unordered(checksum, range(80 * cores))))
