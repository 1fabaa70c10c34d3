"""Sends all its requests at once to a server that answers a few at a time."""

import asyncio
import os
import sys
from urllib.parse import urlsplit

SCALE = float(os.environ.get("LAB_SCALE", "1"))


async def fetch(url):
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n".encode())
    size = len(await reader.read())
    writer.close()
    return size


async def main(server):
    urls = [f"{server}/row/{n}" for n in range(max(2, round(160 * SCALE)))]
    print(sum(await asyncio.gather(*map(fetch, urls))))


asyncio.run(main(sys.argv[1]))
