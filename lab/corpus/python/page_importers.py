"""Five processes that import pages share a state file; each holds its flock for a whole request."""

import fcntl
import http.client
import multiprocessing
import os
import sys
from urllib.parse import urlsplit

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def run(importer, pages, host, path):
    connection = http.client.HTTPConnection(host)
    for page in range(pages):
        with open(path, "a+", encoding="ascii") as state:
            fcntl.flock(state, fcntl.LOCK_EX)
            connection.request("GET", f"/page/{importer}/{page}")
            state.write(f"{importer} {page} {len(connection.getresponse().read())}\n")


if __name__ == "__main__":
    path, host = os.path.join(sys.argv[2], "state"), urlsplit(sys.argv[1]).netloc
    pages = max(1, round(12 * SCALE))
    importers = [
        multiprocessing.Process(target=run, args=(importer, pages, host, path))
        for importer in range(5)
    ]
    for importer in importers:
        importer.start()
    for importer in importers:
        importer.join()
    with open(path, encoding="ascii") as state:
        print(len(state.readlines()))
