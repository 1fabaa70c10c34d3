"""Makes an index of pictures; size, checksum and name of each are asked of a command."""

import os
import subprocess
import sys

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def ask(*command):
    return subprocess.check_output(command, text=True).strip()


def entry(path):
    size = ask("stat", "-c", "%s", path)
    checksum = ask("cksum", path).split()[0]
    return f"{ask('basename', path, '.jpg')},{size},{checksum}\n"


def main():
    pictures = []
    for number in range(max(2, round(900 * SCALE))):
        path = os.path.join(sys.argv[1], f"IMG_{number:04}.jpg")
        with open(path, "wb") as picture:
            picture.write(bytes([number % 251]) * (2000 + number))
        pictures.append(path)
    with open(os.path.join(sys.argv[1], "index.csv"), "w", encoding="ascii") as index:
        index.writelines(map(entry, pictures))
    print(len(pictures), "pictures")


main()
