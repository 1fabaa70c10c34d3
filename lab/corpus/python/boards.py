"""Solves boards, sorted by size and cut into two chunks for a pool of two: the second chunk has the
large ones."""

import multiprocessing
import os

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def solve(size):
    state = 1
    for step in range(size):
        state = (state * 1103515245 + step) & 0x7FFFFFFF
    return state & 1


if __name__ == "__main__":
    smallest = max(50, round(18_000 * SCALE))
    sizes = [smallest * number for number in range(1, 41)]
    with multiprocessing.Pool(2) as pool:
        print([sum(pool.map(solve, sizes, chunksize=20)) for _ in range(4)])
