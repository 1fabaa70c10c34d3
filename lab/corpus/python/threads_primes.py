"""Counts primes on eight threads, each with a range of its own, and adds up at the end.

--model processes gives each range to a process of a pool."""

import argparse
import multiprocessing
import os
import threading

SCALE = float(os.environ.get("LAB_SCALE", "1"))
EACH = round(190_000 * SCALE)


def count(begin):
    found = 0
    for number in range(begin + 1, begin + EACH, 2):
        divisor = 3
        while divisor * divisor <= number and number % divisor:
            divisor += 2
        found += divisor * divisor > number
    return found


def with_threads(begins):
    counts = []
    threads = [
        threading.Thread(target=lambda begin=begin: counts.append(count(begin))) for begin in begins
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=["threads", "processes"], default="threads")
    parser.add_argument("--workers", type=int, default=8)
    options = parser.parse_args()
    begins = [500_000 + 200_000 * n for n in range(8)]
    if options.model == "threads":
        print(sum(with_threads(begins)))
    else:
        with multiprocessing.Pool(options.workers) as pool:
            print(sum(pool.map(count, begins, chunksize=1)))


if __name__ == "__main__":
    main()
