"""Parses log files on six threads that take them from a queue: "it reads files, so threads help"."""

import os
import queue
import re
import sys
import threading

SCALE = float(os.environ.get("LAB_SCALE", "1"))
LINE = re.compile(r'(\S+) \S+ \S+ \[([^\]]+)\] "(\S+) (\S+) [^"]*" (\d+) (\d+)')


def parse(path):
    counts = {}
    with open(path, encoding="ascii") as log:
        for line in log:
            found = LINE.match(line)
            if found:
                key = (found[1], found[5])
                counts[key] = counts.get(key, 0) + int(found[6])
    return counts


def worker(files, totals):
    while True:
        path = files.get()
        if path is None:
            return
        totals.append(len(parse(path)))


def main():
    logs = sys.argv[1]
    files, totals = queue.Queue(), []
    names = sorted(os.listdir(logs))
    for _ in range(max(1, round(24 * SCALE))):
        for name in names:
            files.put(os.path.join(logs, name))
    threads = [threading.Thread(target=worker, args=(files, totals)) for _ in range(6)]
    for thread in threads:
        files.put(None)
        thread.start()
    for thread in threads:
        thread.join()
    print(sum(totals))


main()
