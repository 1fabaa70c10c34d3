"""Calls a slow service five times, a second each, and adds up what it says."""

import argparse
import asyncio
import os
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def call(url):
    with urllib.request.urlopen(url) as answer:
        return len(answer.read())


def one_by_one(urls, _):
    return sum(call(url) for url in urls)


def threads(urls, workers):
    with ThreadPoolExecutor(workers) as pool:
        return sum(pool.map(call, urls))


async def call_async(url, limit):
    parts = urlsplit(url)
    async with limit:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        head = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode())
        body = (await reader.read()).partition(b"\r\n\r\n")[2]
        writer.close()
        return len(body)


async def gather(urls, workers):
    limit = asyncio.Semaphore(workers)
    return sum(await asyncio.gather(*(call_async(url, limit) for url in urls)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server")
    parser.add_argument("--model", choices=["one-by-one", "threads", "async"], default="one-by-one")
    parser.add_argument("--workers", type=int, default=5)
    options = parser.parse_args()
    urls = [f"{options.server}/work?wait_ms={round(1000 * SCALE)}"] * 5
    if options.model == "async":
        print(asyncio.run(gather(urls, options.workers)))
    else:
        how = {"one-by-one": one_by_one, "threads": threads}[options.model]
        print(how(urls, options.workers))


main()
