"""A server to which nobody comes, until it is told to go."""

import os
import signal
import socket

SCALE = float(os.environ.get("LAB_SCALE", "1"))


class Closing(Exception):
    """It is late."""


def close(*_):
    raise Closing


signal.signal(signal.SIGALRM, close)
signal.setitimer(signal.ITIMER_REAL, 3.5 * SCALE)
with socket.create_server(("127.0.0.1", 0)) as server:
    try:
        while True:
            client, _ = server.accept()
            client.close()
    except Closing:
        print("nobody came")
