"""Polls devices from an event loop, and lets each one settle with the wrong sleep."""

import asyncio
import os
import time

SCALE = float(os.environ.get("LAB_SCALE", "1"))


async def device(number, readings):
    total = 0
    for reading in range(readings):
        # A bus needs a moment between two commands.
        time.sleep(0.02)
        total += hash((number, reading)) & 0xFF
        await asyncio.sleep(0.001)
    return total


async def main():
    readings = max(1, round(14 * SCALE))
    totals = await asyncio.gather(*(device(number, readings) for number in range(10)))
    print(len(totals))


asyncio.run(main())
