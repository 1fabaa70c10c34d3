"""An asyncio deploy script that asks hosts through a command-line client, and waits for each of
these with subprocess.run, in the loop."""

import asyncio
import os
import subprocess
import sys

SCALE = float(os.environ.get("LAB_SCALE", "1"))


async def ask(client, url):
    done = subprocess.run([client, "--print", url], stdout=subprocess.PIPE, check=True)
    await asyncio.sleep(0)
    return done.stdout


async def main(client, server):
    hosts = range(max(2, round(40 * SCALE)))
    answers = await asyncio.gather(*(ask(client, f"{server}/host/{host}") for host in hosts))
    print(sum(len(answer) for answer in answers))


asyncio.run(main(sys.argv[1], sys.argv[2]))
