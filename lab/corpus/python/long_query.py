"""Asks a database one thing, which takes it seconds."""

import os
import sys
import urllib.request

SCALE = float(os.environ.get("LAB_SCALE", "1"))

with urllib.request.urlopen(f"{sys.argv[1]}/work?wait_ms={round(3500 * SCALE)}") as answer:
    print(len(answer.read()))
