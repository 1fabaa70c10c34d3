"""Fetches pages one after another and collects the links in them."""

import argparse
import asyncio
import os
import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

SCALE = float(os.environ.get("LAB_SCALE", "1"))
LINK = re.compile(rb"x{40}")


def links(body):
    return set(LINK.findall(body))


def scrape(url):
    with urllib.request.urlopen(url) as answer:
        return links(answer.read())


async def scrape_async(url, limit):
    parts = urlsplit(url)
    async with limit:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode())
        body = (await reader.read()).partition(b"\r\n\r\n")[2]
        writer.close()
        return links(body)


async def gather(urls, workers):
    limit = asyncio.Semaphore(workers)
    return await asyncio.gather(*(scrape_async(url, limit) for url in urls))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server")
    parser.add_argument("--model", choices=["one-by-one", "threads", "async"], default="one-by-one")
    parser.add_argument("--workers", type=int, default=8)
    options = parser.parse_args()
    urls = [f"{options.server}/page/{n}" for n in range(max(2, round(60 * SCALE)))]
    if options.model == "async":
        found = asyncio.run(gather(urls, options.workers))
    elif options.model == "threads":
        with ThreadPoolExecutor(options.workers) as pool:
            found = list(pool.map(scrape, urls))
    else:
        found = [scrape(url) for url in urls]
    print(len(set().union(*found)))


main()
