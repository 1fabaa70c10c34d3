"""What the benchmarks share: starting a tool and measuring it, statistics, and tables."""

import argparse
import datetime
import os
import platform
import re
import select
import shutil
import signal
import statistics
import subprocess
import time
from dataclasses import dataclass

DEV_NULL = "/dev/null"


@dataclass
class Sample:
    """One run of one tool."""

    wall: float  # seconds from before it was started until it was waited for
    cpu: float  # user and system seconds, its own and those of all it waited for
    max_rss: int  # bytes; the largest of the tool and of all it waited for (see `rss_floor`)
    status: int  # exit code, or minus the signal that ended it


def start(argv, stdin=DEV_NULL, stdout=DEV_NULL, stderr=DEV_NULL, env=None, own_group=False):
    """Starts `argv` and returns its process id. `stdin` is a path or a descriptor."""
    writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 1, stdout, writing, 0o644),
        (os.POSIX_SPAWN_OPEN, 2, stderr, writing, 0o644),
    ]
    if isinstance(stdin, int):
        actions.append((os.POSIX_SPAWN_DUP2, stdin, 0))
    else:
        actions.append((os.POSIX_SPAWN_OPEN, 0, stdin, os.O_RDONLY, 0))
    return os.posix_spawn(
        argv[0],
        argv,
        dict(os.environ, **(env or {})),
        file_actions=actions,
        # Python ignores SIGPIPE and its children would too, unlike those of a shell.
        setsigdef=[signal.SIGPIPE],
        **({"setpgroup": 0} if own_group else {}),
    )


def clock():
    """Seconds of CLOCK_MONOTONIC."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def finish(status, usage, began):
    """The sample of a child that wait4 has just returned."""
    return Sample(
        wall=clock() - began,
        cpu=usage.ru_utime + usage.ru_stime,
        max_rss=usage.ru_maxrss * 1024,
        status=os.waitstatus_to_exitcode(status),
    )


def run(argv, most=None, **how):
    """Runs `argv` to its end, or kills it after `most` seconds."""
    began = clock()
    pid = start(argv, **how)
    if most is not None:
        handle = os.pidfd_open(pid)
        ended, _, _ = select.select([handle], [], [], most)
        os.close(handle)
        if not ended:
            os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    return finish(status, usage, began)


def busy_seconds():
    """Seconds that processes have had of all processors, or that a hypervisor has taken."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _, _, _, _, stolen = map(int, stat.readline().split()[1:9])
    return (user + nice + system + stolen) / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(most=30.0):
    """Waits, for so many seconds at most, until half a second has passed in which the machine did
    next to nothing."""
    for _ in range(int(most / 0.5)):
        busy = busy_seconds()
        time.sleep(0.5)
        if busy_seconds() - busy < 0.05 * os.cpu_count():
            return


def peak_rss(pid="self"):
    """The largest resident size in bytes that a process has had, or 0 if it has none any more."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            found = re.search(r"^VmHWM:\s*(\d+) kB", status.read(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def rss_floor():
    """The least `max_rss` a child can have: until it executes its program it shares our memory,
    and the kernel counts that too."""
    return peak_rss()


def tools_from(options):
    """`NAME=PATH` pairs as a dictionary."""
    return dict(option.split("=", 1) for option in options)


def parser(description):
    """The options that all benchmarks have."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--scratch", required=True, help="a directory for what must not stay")
    made.add_argument("--tool", action="append", default=[], metavar="NAME=PATH")
    return made


def version(path):
    """The first line of what `--version` prints, without the words around the number."""
    try:
        # PERL_BADLANG: Perl complains about locales that a slim machine does not have.
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=dict(os.environ, PERL_BADLANG="0"),
        )
    except OSError:
        return "unknown version"
    found = re.search(r"\d+(\.\d+)*\S*", done.stdout or done.stderr)
    return found[0].rstrip(")") if found else "unknown version"


def machine():
    """Cores, processor, kernel."""
    model = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as info:
            found = re.search(r"^model name\s*:\s*(.+)$", info.read(), re.MULTILINE)
            model = found[1].strip() if found else model
    except OSError:
        pass
    return f"{len(os.sched_getaffinity(0))} cores, {model}, Linux {platform.release()}"


def heading(title, tools):
    """The lines above a table: what was measured, where, when, and with which versions."""
    today = datetime.date.today().isoformat()
    versions = ", ".join(f"{name} {version(path)}" for name, path in tools.items())
    load = os.getloadavg()[0]
    print(f"### {title}: {machine()}, {today}\n")
    print(f"Tools: {versions or 'none'}. Load average before: {load:.1f}.\n")


def median(values):
    """The median, or None of nothing."""
    values = list(values)
    return statistics.median(values) if values else None


def quartiles(values):
    """The first and the third quartile; of one value, that value twice."""
    values = list(values)
    if len(values) < 2:
        return values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def table(columns, rows):
    """Prints a markdown table; the first column is set to the left, the others to the right
    unless their name starts with a blank."""
    print("| " + " | ".join(name.strip() for name in columns) + " |")
    left = [at == 0 or name.startswith(" ") for at, name in enumerate(columns)]
    print("|" + "|".join("---" if is_left else "---:" for is_left in left) + "|")
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


def ratio(value):
    """A ratio as text."""
    return "–" if value is None else f"{value:.2f}"


def mib(size):
    """Bytes as text in MiB."""
    return f"{size / 2**20:.1f}"


def forget_journal(scratch):
    """Removes the journal that a run left in `scratch`, so that the next one starts cold."""
    for name in os.listdir(scratch):
        if name.startswith("journal.db"):
            path = os.path.join(scratch, name)
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                os.remove(path)
