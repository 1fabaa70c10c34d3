"""Makes the files that programs of the corpus read: `prepare.py logs|blob|events|small DIRECTORY`.

They are the same every time, and are left alone if they are there."""

import os
import random
import sys


def logs(folder, chance):
    """Twelve logs of a web server, some 900 KiB each."""
    os.makedirs(folder, exist_ok=True)
    for number in range(12):
        with open(os.path.join(folder, f"access-{number:02}.log"), "w", encoding="ascii") as log:
            for second in range(8000):
                client = f"10.0.{chance.randrange(4)}.{chance.randrange(250)}"
                when = f"12/Mar/2024:10:{second // 60 % 60:02}:{second % 60:02} +0000"
                status = chance.choice([200, 200, 200, 304, 404, 500])
                what = f"GET /shop/item/{chance.randrange(5000)}?page={chance.randrange(9)} HTTP/1.1"
                log.write(f'{client} - - [{when}] "{what}" {status} {chance.randrange(90000)}\n')


def blob(path, chance):
    """64 MiB that do not compress, with a little that does."""
    piece = chance.getrandbits(8 * (1 << 20)).to_bytes(1 << 20, "little")
    with open(path, "wb") as file:
        for number in range(64):
            file.write(number.to_bytes(4096, "little") + piece[4096:])


def events(path, chance):
    """20,000 lines of JSON."""
    words = ["alpha", "beta", "gamma", "delta", "epsilon"]
    with open(path, "w", encoding="ascii") as file:
        for number in range(20_000):
            tags = ", ".join(f'"{word}"' for word in chance.sample(words, 3))
            value = chance.random() * 1000
            file.write(f'{{"id": {number}, "value": {value:.5f}, "tags": [{tags}], "ok": true}}\n')


def small(folder, chance):
    """Folders with a hundred small files each."""
    for number in range(40):
        place = os.path.join(folder, f"{number:02}")
        os.makedirs(place, exist_ok=True)
        for name in range(100):
            with open(os.path.join(place, f"{name:02}.txt"), "w", encoding="ascii") as file:
                file.write(f"note {chance.randrange(10_000)}\n" * 20)


def main():
    kind, place = sys.argv[1], os.path.join(sys.argv[2], sys.argv[1])
    if not os.path.exists(place):
        {"logs": logs, "blob": blob, "events": events, "small": small}[kind](place, random.Random(4))


main()
