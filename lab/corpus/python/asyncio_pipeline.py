"""A pipeline of asyncio tasks over a queue: readers take a stream apart, workers score the lines.
All of it looks concurrent, and all of it runs on the loop's thread."""

import asyncio
import math
import os
import sys
from urllib.parse import urlsplit

SCALE = float(os.environ.get("LAB_SCALE", "1"))


async def read(server, number, lines):
    parts = urlsplit(server)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"GET /stream/{number} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    await reader.readuntil(b"\r\n\r\n")
    while True:
        piece = await reader.read(2048)
        if not piece:
            break
        await lines.put(piece)
    writer.close()


def score(piece):
    return sum(math.sqrt(at) * byte for at, byte in enumerate(piece * 8))


async def work(lines, totals):
    while True:
        piece = await lines.get()
        totals.append(score(piece))
        lines.task_done()


async def main(server):
    lines = asyncio.Queue(maxsize=32)
    totals = []
    workers = [asyncio.ensure_future(work(lines, totals)) for _ in range(4)]
    streams = range(max(1, round(56 * SCALE)))
    await asyncio.gather(*(read(server, number, lines) for number in streams))
    await lines.join()
    for worker in workers:
        worker.cancel()
    print(len(totals))


asyncio.run(main(sys.argv[1]))
