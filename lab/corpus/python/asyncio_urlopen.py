"""An asyncio crawler that someone has moved to `async def` without changing the client: the
requests are gathered, but each one blocks the loop.

--model threads hands the blocking call to an executor, --model async has a client that awaits."""

import argparse
import asyncio
import os
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def get(url):
    with urllib.request.urlopen(url) as answer:
        return len(answer.read())


async def fetch_blocking(url):
    await asyncio.sleep(0)
    return get(url)


async def fetch_in_thread(url, pool):
    return await asyncio.get_running_loop().run_in_executor(pool, get, url)


async def fetch_async(url, limit):
    parts = urlsplit(url)
    async with limit:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode())
        size = len(await reader.read())
        writer.close()
        return size


async def crawl(urls, model, workers):
    if model == "threads":
        with ThreadPoolExecutor(workers) as pool:
            return await asyncio.gather(*(fetch_in_thread(url, pool) for url in urls))
    if model == "async":
        limit = asyncio.Semaphore(workers)
        return await asyncio.gather(*(fetch_async(url, limit) for url in urls))
    return await asyncio.gather(*(fetch_blocking(url) for url in urls))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server")
    parser.add_argument("--model", choices=["blocking", "threads", "async"], default="blocking")
    parser.add_argument("--workers", type=int, default=8)
    options = parser.parse_args()
    urls = [f"{options.server}/item/{n}" for n in range(max(2, round(50 * SCALE)))]
    print(sum(asyncio.run(crawl(urls, options.model, options.workers))))


main()
