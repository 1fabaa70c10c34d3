"""Eight threads download with one client, which a lock guards: around the whole request.

--workers N drops the lock and takes so many threads."""

import argparse
import os
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

SCALE = float(os.environ.get("LAB_SCALE", "1"))


class Client:
    """A client that is not thread-safe, or so its author thought."""

    def __init__(self, lock):
        self.lock = lock
        self.requests = 0

    def get(self, url):
        with self.lock:
            self.requests += 1
            with urllib.request.urlopen(url) as answer:
                return len(answer.read())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server")
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    client = Client(nullcontext() if options.workers else threading.Lock())
    urls = [f"{options.server}/file/{n}" for n in range(max(2, round(60 * SCALE)))]
    with ThreadPoolExecutor(options.workers or 8) as pool:
        print(sum(pool.map(client.get, urls)))


main()
