"""Counts words on a pool of two processes."""

import multiprocessing
import os
import re
from collections import Counter

SCALE = float(os.environ.get("LAB_SCALE", "1"))
TEXT = " ".join(f"word{n * 7919 % 5003} and the {n % 77}" for n in range(4000))


def count(_):
    words = Counter(word.lower() for word in re.findall(r"\w+", TEXT))
    return words.most_common(1)[0][1]


if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        print(sum(pool.imap_unordered(count, range(max(4, round(1500 * SCALE))))))
