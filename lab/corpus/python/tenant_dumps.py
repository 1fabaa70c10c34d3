"""Packs the dumps of each night on a pool of two threads, a task for each tenant: zlib lets go of
the interpreter, but one tenant has most of the data, and a night ends when its dump is packed."""

import os
import random
import zlib
from concurrent.futures import ThreadPoolExecutor, wait

SCALE = float(os.environ.get("LAB_SCALE", "1"))
KIB = {"northwind": 2200, "acme": 190, "globex": 170, "initech": 160, "umbrella": 150}
STATUSES = ["open", "paid", "late", "void"]


def dump(tenant, kib):
    chance = random.Random(tenant)
    block = "".join(
        f"INSERT INTO invoice VALUES ({chance.randrange(10**7)}, '{chance.choice(STATUSES)}');\n"
        for _ in range(2600)
    ).encode()
    return (block * (kib * 1024 // len(block) + 1))[: kib * 1024]


def pack(data):
    return len(zlib.compress(data, 9))


def main():
    dumps = [dump(tenant, kib) for tenant, kib in KIB.items()]
    packed = 0
    with ThreadPoolExecutor(max_workers=2) as pool:
        for _ in range(max(1, round(40 * SCALE))):
            night = [pool.submit(pack, data) for data in dumps]
            wait(night)
            packed += sum(task.result() for task in night)
    print(packed >> 10, "KiB packed")


main()
