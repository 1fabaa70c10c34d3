"""Runs the steps of a release one after another; each follows a log until its time is up."""

import os
import subprocess
import sys

SCALE = float(os.environ.get("LAB_SCALE", "1"))

log = os.path.join(sys.argv[1], "release.log")
with open(log, "w", encoding="ascii") as file:
    file.write("begin\n")
for step in ["fetch", "build", "sign", "upload", "announce"]:
    follow = ["timeout", f"{0.7 * SCALE:.3f}", "tail", "-f", log]
    subprocess.run(follow, stdout=subprocess.DEVNULL, check=False)
    print(step)
