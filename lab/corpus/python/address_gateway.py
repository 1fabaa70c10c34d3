"""A gateway with eight clients, all on one event loop: each line that a client sends is answered
with what a registry says, which the gateway asks over a plain socket."""

import asyncio
import os
import socket
import sys
from urllib.parse import urlsplit

SCALE = float(os.environ.get("LAB_SCALE", "1"))
REGISTRY = urlsplit(sys.argv[1])


def look_up(name):
    ask = f"GET /address/{name} HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\r\n"
    with socket.create_connection((REGISTRY.hostname, REGISTRY.port)) as registry:
        registry.sendall(ask.encode())
        with registry.makefile("rb") as answer:
            return len(answer.read())


async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(b"%d\n" % look_up(line.decode().strip()))
        await writer.drain()
    writer.close()


async def client(port, number, questions):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    total = 0
    for question in range(questions):
        writer.write(f"host-{number}-{question}\n".encode())
        total += int(await reader.readline())
    writer.close()
    return total


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    questions = max(1, round(9 * SCALE))
    totals = await asyncio.gather(*(client(port, number, questions) for number in range(8)))
    print(len(totals), "clients")


asyncio.run(main())
