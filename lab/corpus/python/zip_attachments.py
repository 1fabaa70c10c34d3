"""Puts attachments into one zip file from four threads. Packing needs no interpreter, but a ZipFile
takes one file at a time, and so a lock is held until the attachment is packed."""

import os
import random
import sys
import threading
import zipfile

SCALE = float(os.environ.get("LAB_SCALE", "1"))
THREADS = 4
WORDS = "invoice delivery order customer amount discount total paid open reminder".split()


def attachment(number, lines):
    head = f"Attachment {number}\n".encode()
    return head + b"".join(lines[(number + step) % len(lines)] for step in range(4000))


def add(archive, lock, numbers, lines):
    for number in numbers:
        data = attachment(number, lines)
        with lock:
            archive.writestr(f"mail/{number:05}.txt", data)


def main():
    chance = random.Random(2)
    lines = [
        (" ".join(chance.choices(WORDS, k=9)) + f" {chance.randrange(10**6)}\n").encode()
        for _ in range(1009)
    ]
    count = max(THREADS, round(280 * SCALE))
    lock = threading.Lock()
    path = os.path.join(sys.argv[1], "attachments.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        threads = [
            threading.Thread(
                target=add, args=(archive, lock, range(first, count, THREADS), lines)
            )
            for first in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(os.path.getsize(path) >> 10, "KiB")


main()
