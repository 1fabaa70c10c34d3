"""A thread for each of 80 requests; they all wait for a server that is busy."""

import os
import sys
import threading
import urllib.request

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def fetch(url, sizes):
    with urllib.request.urlopen(url) as answer:
        sizes.append(len(answer.read()))


sizes = []
threads = [
    threading.Thread(target=fetch, args=(f"{sys.argv[1]}/report/{n}", sizes))
    for n in range(max(2, round(80 * SCALE)))
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sum(sizes))
