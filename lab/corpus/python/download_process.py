"""Downloads files and sums up each one before it asks for the next.

With --model threads or async the next downloads are under way while one is summed up."""

import argparse
import asyncio
import os
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def download(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def process(body):
    sum_a, sum_b = 1, 0
    for byte in body:
        sum_a = (sum_a + byte) % 65521
        sum_b = (sum_b + sum_a) % 65521
    return sum_b << 16 | sum_a


async def download_async(url, limit):
    parts = urlsplit(url)
    async with limit:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode())
        body = (await reader.read()).partition(b"\r\n\r\n")[2]
        writer.close()
        return body


async def overlapped(urls, workers):
    limit = asyncio.Semaphore(workers)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as computing:
        tasks = [asyncio.ensure_future(download_async(url, limit)) for url in urls]
        sums = []
        for done in asyncio.as_completed(tasks):
            sums.append(await loop.run_in_executor(computing, process, await done))
        return sums


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server")
    parser.add_argument("--model", choices=["one-by-one", "threads", "async"], default="one-by-one")
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    urls = [f"{options.server}/part/{n}" for n in range(max(2, round(32 * SCALE)))]
    if options.model == "async":
        sums = asyncio.run(overlapped(urls, options.workers))
    elif options.model == "threads":
        with ThreadPoolExecutor(options.workers) as pool:
            sums = [process(body) for body in pool.map(download, urls)]
    else:
        sums = [process(download(url)) for url in urls]
    print(sum(sums))


main()
