"""The mixed workload in Python: asyncio, a process pool to compute, a thread pool to block."""

import asyncio
import concurrent.futures
import os
import sys
import time


def burn(seconds):
    """Computes for as much CPU time as that; Python's steps are not those of the others."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def block():
    time.sleep(0.002)


async def main(items):
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(32)
    cores = len(os.sched_getaffinity(0))
    with concurrent.futures.ProcessPoolExecutor(cores) as processes, \
            concurrent.futures.ThreadPoolExecutor(8) as threads:
        # Starting the pools is not what is measured.
        await asyncio.gather(*(loop.run_in_executor(processes, burn, 0.01) for _ in range(cores)))
        began = time.monotonic()

        async def one():
            async with gate:
                await asyncio.sleep(0.01)
                await loop.run_in_executor(processes, burn, 0.001)
                await loop.run_in_executor(threads, block)

        await asyncio.gather(*(one() for _ in range(items)))
        print(f"{time.monotonic() - began:.6f} {items} 0")


asyncio.run(main(int(sys.argv[1])))
