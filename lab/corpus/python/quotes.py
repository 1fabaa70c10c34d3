"""Asks for all quotes at once, a thread for each."""

import os
import sys
import threading
import urllib.request

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def ask(quote, sizes):
    with urllib.request.urlopen(f"{sys.argv[1]}/quote/{quote}", timeout=60) as answer:
        sizes[quote] = len(answer.read())


sizes = [0] * max(4, round(60 * SCALE))
threads = [threading.Thread(target=ask, args=(quote, sizes)) for quote in range(len(sizes))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sum(sizes))
