"""Asks for 60 documents with asyncio, two at a time: "to be nice"."""

import asyncio
import os
import sys
from urllib.parse import urlsplit

SCALE = float(os.environ.get("LAB_SCALE", "1"))


async def fetch(url, limit):
    parts = urlsplit(url)
    async with limit:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode())
        size = len(await reader.read())
        writer.close()
        return size


async def main(server):
    limit = asyncio.Semaphore(2)
    urls = [f"{server}/doc/{n}" for n in range(max(2, round(60 * SCALE)))]
    print(sum(await asyncio.gather(*(fetch(url, limit) for url in urls))))


asyncio.run(main(sys.argv[1]))
