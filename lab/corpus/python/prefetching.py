"""Three threads download ahead into a queue, the main thread works on what has come."""

import os
import queue
import sys
import threading
import urllib.request

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def download(urls, bodies):
    while True:
        try:
            url = urls.get_nowait()
        except queue.Empty:
            return
        with urllib.request.urlopen(url) as answer:
            bodies.put(answer.read())


def process(body):
    value = 1
    for byte in body:
        value = (value * 257 + byte) % 1_000_003
    return value


def main():
    count = max(2, round(40 * SCALE))
    urls, bodies = queue.Queue(), queue.Queue(maxsize=16)
    for number in range(count):
        urls.put(f"{sys.argv[1]}/chunk/{number}")
    threads = [threading.Thread(target=download, args=(urls, bodies)) for _ in range(3)]
    for thread in threads:
        thread.start()
    print(sum(process(bodies.get()) for _ in range(count)))
    for thread in threads:
        thread.join()


main()
