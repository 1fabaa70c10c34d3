"""Hands pages to a spooler, each by a process that gives up after a while: nobody opens the other
end of the spooler's pipe, so that opening it to write does not return."""

import os
import subprocess
import sys

SCALE = float(os.environ.get("LAB_SCALE", "1"))

spool = os.path.join(sys.argv[1], "spool")
os.mkfifo(spool)
failed = 0
for page in range(5):
    lines = ["timeout", f"{0.65 * SCALE:.3f}", "sh", "-c", 'echo "page $1" >"$0"', spool, str(page)]
    failed += subprocess.run(lines, check=False).returncode != 0
print(failed, "pages are not printed")
