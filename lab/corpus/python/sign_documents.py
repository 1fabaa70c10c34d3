"""Fetches documents, twelve in flight, and signs each one in its coroutine."""

import asyncio
import hashlib
import os
import sys
from urllib.parse import urlsplit

SCALE = float(os.environ.get("LAB_SCALE", "1"))
ROUNDS = 60_000


async def fetch(host, port, number):
    reader, writer = await asyncio.open_connection(host, port)
    head = f"GET /doc/{number} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n\r\n")[2]


async def sign(server, numbers, signatures):
    for number in numbers:
        document = await fetch(server.hostname, server.port, number)
        signatures.append(hashlib.pbkdf2_hmac("sha256", document, b"key", ROUNDS))


async def main():
    numbers, signatures = iter(range(max(12, round(180 * SCALE)))), []
    server = urlsplit(sys.argv[1])
    await asyncio.gather(*(sign(server, numbers, signatures) for _ in range(12)))
    print(len(set(signatures)), len(signatures))


asyncio.run(main())
