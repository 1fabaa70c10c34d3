"""Four checksums in pure Python, on a pool of threads for speed.

--model processes takes processes instead."""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def checksum(seed):
    value = seed
    for n in range(round(13_500_000 * SCALE)):
        value = (value * 33 + n) & 0xFFFFFFFF
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=["threads", "processes"], default="threads")
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    make = {"threads": ThreadPoolExecutor, "processes": ProcessPoolExecutor}[options.model]
    with make(options.workers) as pool:
        print(sum(pool.map(checksum, range(4))))


if __name__ == "__main__":
    main()
