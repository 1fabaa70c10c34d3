"""Eight threads fetch feeds and take each apart in plain Python."""

import http.client
import os
import queue
import sys
import threading
from urllib.parse import urlsplit

SCALE = float(os.environ.get("LAB_SCALE", "1"))
THREADS = 8


def take_apart(seed):
    words, state = {}, seed + 1
    for _ in range(70_000):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        word = state % 613
        words[word] = words.get(word, 0) + 1
    return max(words.values())


def work(host, feeds, most):
    connection = http.client.HTTPConnection(host)
    while True:
        try:
            feed = feeds.get_nowait()
        except queue.Empty:
            return
        connection.request("GET", f"/feed/{feed}")
        most.append(take_apart(len(connection.getresponse().read()) + feed))


feeds, most = queue.Queue(), []
for number in range(max(THREADS, round(240 * SCALE))):
    feeds.put(number)
host = urlsplit(sys.argv[1]).netloc
threads = [threading.Thread(target=work, args=(host, feeds, most)) for _ in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sum(most))
