"""An agent that sends a heartbeat into a file now and then, and otherwise awaits the next one."""

import asyncio
import os
import sys

SCALE = float(os.environ.get("LAB_SCALE", "1"))


async def beat(path, every, times):
    for _ in range(times):
        with open(path, "w", encoding="ascii") as file:
            file.write("alive\n")
        await asyncio.sleep(every)


async def main(folder):
    times = max(1, round(12 * SCALE))
    await asyncio.gather(
        beat(os.path.join(folder, "beat.1"), 0.3, times),
        beat(os.path.join(folder, "beat.2"), 0.2, times),
    )


asyncio.run(main(sys.argv[1]))
