"""Sends 50 messages, of which each waits for its receipt, on a pool of four threads.

--workers N takes another number of threads."""

import argparse
import os
import urllib.request
from concurrent.futures import ThreadPoolExecutor

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def send(url):
    with urllib.request.urlopen(url) as answer:
        return answer.status


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server")
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    urls = [f"{options.server}/work?wait_ms={max(1, round(250 * SCALE))}"] * 50
    with ThreadPoolExecutor(options.workers) as pool:
        print(len(list(pool.map(send, urls))))


main()
