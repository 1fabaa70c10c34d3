"""Counts requests and bytes per client in web-server logs.

--model processes parses the files on a pool of processes."""

import argparse
import collections
import multiprocessing
import os
import re

SCALE = float(os.environ.get("LAB_SCALE", "1"))
LINE = re.compile(r'(\S+) \S+ \S+ \[([^\]]+)\] "(\S+) (\S+) [^"]*" (\d+) (\d+)')


def parse(path):
    requests, size = collections.Counter(), collections.Counter()
    with open(path, encoding="ascii") as log:
        for line in log:
            found = LINE.match(line)
            if found:
                requests[found[1]] += 1
                size[found[1]] += int(found[6])
    return requests, size


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs")
    parser.add_argument("--model", choices=["one-by-one", "processes"], default="one-by-one")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    names = sorted(os.listdir(options.logs))
    paths = [os.path.join(options.logs, name) for name in names] * max(1, round(26 * SCALE))
    if options.model == "processes":
        with multiprocessing.Pool(options.workers) as pool:
            parsed = pool.map(parse, paths, chunksize=1)
    else:
        parsed = map(parse, paths)
    requests, size = collections.Counter(), collections.Counter()
    for some_requests, some_size in parsed:
        requests.update(some_requests)
        size.update(some_size)
    print(len(requests), sum(size.values()))


if __name__ == "__main__":
    main()
