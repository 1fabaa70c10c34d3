"""Keeps the settings of devices, a file for each. A change goes into a new file, which replaces the
old one when it is safe on disk; then the folder is made safe as well."""

import json
import os
import sys

SCALE = float(os.environ.get("LAB_SCALE", "1"))
DEVICES = 40


def save(folder, directory, device, settings):
    path = os.path.join(folder, f"device-{device:02}.json")
    with open(path + ".new", "w", encoding="ascii") as file:
        json.dump(settings, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)
    os.fsync(directory)


folder = sys.argv[1]
directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
changes = max(3, round(6000 * SCALE))
for change in range(changes):
    save(folder, directory, change % DEVICES, {"volume": change % 11, "version": change})
print(changes, "changes")
