"""Gathers downloads, and takes each apart in the coroutine that has fetched it.

--model processes sends the bodies to a pool of processes instead."""

import argparse
import asyncio
import os
from concurrent.futures import ProcessPoolExecutor
from urllib.parse import urlsplit

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def tokens(body):
    counts = {}
    state = 7
    for byte in body:
        state = (state * 31 + byte) & 0xFFFF
        counts[state] = counts.get(state, 0) + 1
    return len(counts)


async def fetch(url, limit):
    parts = urlsplit(url)
    async with limit:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode())
        body = (await reader.read()).partition(b"\r\n\r\n")[2]
        writer.close()
        return body


async def one(url, limit, pool):
    body = await fetch(url, limit)
    if pool is None:
        return tokens(body)
    return await asyncio.get_running_loop().run_in_executor(pool, tokens, body)


async def run(urls, pool):
    limit = asyncio.Semaphore(10)
    return sum(await asyncio.gather(*(one(url, limit, pool) for url in urls)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server")
    parser.add_argument("--model", choices=["loop", "processes"], default="loop")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    urls = [f"{options.server}/doc/{n}" for n in range(max(2, round(60 * SCALE)))]
    if options.model == "processes":
        with ProcessPoolExecutor(options.workers) as pool:
            print(asyncio.run(run(urls, pool)))
    else:
        print(asyncio.run(run(urls, None)))


if __name__ == "__main__":
    main()
