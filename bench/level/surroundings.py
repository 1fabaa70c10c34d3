"""What a run is put into: a server that it asks, a cgroup that it must fit into."""

import json
import os
import signal
import subprocess
import time
import urllib.request

V1 = "/sys/fs/cgroup/memory"
V2 = "/sys/fs/cgroup"


class Server:
    """A lab-server that is started anew for each run, always on the same port: the URL is part of
    the command, and by its command a run is known again."""

    def __init__(self, program):
        self.program = program
        self.port = 0
        self.process = None

    def start(self, flags):
        """Starts it and returns its URL."""
        argv = [self.program, "--port", str(self.port), *flags]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self):
        """Processor time that it has used."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        """Ends it and returns what it has counted."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats") as answer:
            stats = json.load(answer)
        # Twice, so that it does not wait for what is in work.
        for _ in range(2):
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                pass
        self.process.wait()
        self.process.stdout.close()
        return stats


class MemoryGroup:
    """A cgroup, v1 or v2, that may take so much memory."""

    def __init__(self, size):
        name = f"paceline-bench-{os.getpid()}"
        if os.path.exists(f"{V1}/memory.limit_in_bytes"):
            self.path = f"{V1}/{name}"
            limits = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
            self.events = "memory.oom_control"
        else:
            self.path = f"{V2}/{name}"
            with open(f"{V2}/cgroup.subtree_control", "w", encoding="ascii") as control:
                control.write("+memory")
            limits = ["memory.max", "memory.swap.max"]
            self.events = "memory.events"
        os.mkdir(self.path)
        for at, limit in enumerate(limits):
            # The second is about swap, which not every kernel counts.
            value = 0 if limit == "memory.swap.max" else size
            try:
                with open(f"{self.path}/{limit}", "w", encoding="ascii") as file:
                    file.write(str(value))
            except OSError:
                if at == 0:
                    os.rmdir(self.path)
                    raise

    def inside(self, argv):
        """`argv`, run in the group."""
        enter = 'echo $$ >"$0" && exec "$@"'
        return ["/bin/sh", "-c", enter, f"{self.path}/cgroup.procs", *argv]

    def oom_kills(self):
        """Processes that the kernel has killed in it."""
        with open(f"{self.path}/{self.events}", encoding="ascii") as events:
            for line in events:
                words = line.split()
                if words[0] == "oom_kill":
                    return int(words[1])
        return 0

    def remove(self):
        """Removes it once its last process is gone."""
        for _ in range(100):
            try:
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError(f"{self.path} still has processes")
