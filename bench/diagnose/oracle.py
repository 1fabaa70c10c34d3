"""What the threads of a process tree really did, from the scheduler's own trace.

The kernel's tracefs records each switch, wake-up, birth and end in the tree, and the kernel stack of
each thread that goes to sleep, which says what for. It needs root, and has nothing to do with how
paceline looks at programs.
"""

import os
import re
import signal
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field

TRACEFS = "/sys/kernel/tracing"
BUFFER_KIB = 256 << 10

# What a sleeping thread's stack has in it, by what it sleeps for. The first that fits is taken.
SLEEPS = [
    ("disk", r"io_schedule|jbd2_|folio_wait|iomap_dio|blkdev_|submit_bio_wait|vfs_fsync|do_fsync"),
    ("sleep", r"hrtimer_nanosleep|common_nsleep"),
    ("child", r"\bdo_wait\b|kernel_wait4|kernel_waitid"),
    ("poll", r"ep_poll|do_epoll_wait|do_sys_poll|do_poll|do_select|core_sys_select"),
    ("lock", r"futex_|flock_lock|locks_lock|do_semtimedop|fcntl_setlk"),
    ("pipe", r"pipe_read|pipe_write|pipe_wait|fifo_open|wait_for_partner|n_tty_read|tty_"),
    ("unix", r"unix_"),
    (
        "network",
        r"tcp_|udp_|inet_|sk_wait|sock_|skb_wait|_recvmsg|_sendmsg|sys_connect|sys_accept",
    ),
]
SLEEPS = [(group, re.compile(pattern)) for group, pattern in SLEEPS]

LINE = re.compile(r"-(\d+)\s+\[(\d+)\]\s+\S+\s+(\d+\.\d+): (\w+|<stack trace>):? ?(.*)$")
SWITCH = re.compile(
    r"prev_comm=.* prev_pid=(\d+) prev_prio=-?\d+ prev_state=(\S+) ==> .* next_pid=(\d+) next_prio="
)
WAKE = re.compile(r" pid=(\d+) prio=")
NEW = re.compile(r"pid=(\d+) comm=.* clone_flags=([0-9a-f]+)")
EXEC = re.compile(r" pid=(\d+) old_pid=(\d+)$")
EXIT = re.compile(r" pid=(\d+) prio=")
CLONE_THREAD = 0x10000


@dataclass
class Truth:
    """What was traced of a tree."""

    wall: float = 0.0  # seconds from its first exec to the end of its last thread
    seconds: dict = field(default_factory=dict)  # thread-seconds by group
    compute: float = 0.0  # seconds of the wall with at least one thread running or ready to
    io: float = 0.0  # with at least one thread waiting for a disk or a peer
    both: float = 0.0
    threads: int = 0
    processes: int = 0
    switches: int = 0
    watcher_cpu: float = 0.0  # seconds on a core of the root process itself, if it is left out
    guessed: float = 0.0  # thread-seconds of which it is not sure whether they were on a core
    lost: int = 0  # events that did not fit into the buffer

    def overlap(self):
        """|C ∩ I| / min(C, I)."""
        least = min(self.compute, self.io)
        return self.both / least if least > 0.02 * self.wall else None


def available():
    """Whether this machine lets us trace."""
    return os.access(f"{TRACEFS}/instances", os.W_OK)


class Trace:
    """A trace of what a process and its descendants do, until `stop`."""

    def __init__(self, lifetimes_only=False):
        self.path = f"{TRACEFS}/instances/paceline-bench-{os.getpid()}"
        os.mkdir(self.path)
        self._write("tracing_on", "0")
        self._write("trace_clock", "mono")
        size = 1024 if lifetimes_only else BUFFER_KIB // os.cpu_count()
        self._write("buffer_size_kb", str(size))
        self._write("options/event-fork", "1")
        for event in ("task/task_newtask", "sched/sched_process_exec", "sched/sched_process_exit"):
            self._write(f"events/{event}/enable", "1")
        if not lifetimes_only:
            for event in ("sched_switch", "sched_wakeup", "sched_wakeup_new"):
                self._write(f"events/sched/{event}/enable", "1")
            # Of those that were not put off their core but went to sleep.
            self._write("events/sched/sched_switch/trigger", "stacktrace if prev_state & 255")

    def _write(self, name, text):
        with open(f"{self.path}/{name}", "w", encoding="ascii") as file:
            file.write(text)

    def follow(self, pid):
        """Begins, with this process."""
        self._write("set_event_pid", str(pid))
        self._write("tracing_on", "1")

    def stop(self):
        """Ends it; returns the lines, and how many events were lost."""
        self._write("tracing_on", "0")
        lost = 0
        for cpu in os.listdir(f"{self.path}/per_cpu"):
            with open(f"{self.path}/per_cpu/{cpu}/stats", encoding="ascii") as stats:
                for line in stats:
                    if line.startswith(("overrun", "dropped")):
                        lost += int(line.split()[-1])
        with open(f"{self.path}/trace", encoding="utf-8", errors="replace") as trace:
            return list(trace), lost

    def close(self):
        """Gives the buffers back."""
        if os.path.exists(f"{self.path}/events/sched/sched_switch/trigger"):
            self._write("events/enable", "0")
            try:
                self._write("events/sched/sched_switch/trigger", "!stacktrace")
            except OSError:
                pass
        for _ in range(50):
            try:
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.1)


@contextmanager
def traced(lifetimes_only=False):
    """A trace that is closed in the end."""
    trace = Trace(lifetimes_only)
    try:
        yield trace
    finally:
        trace.close()


def stopped(argv):
    """`argv` behind a shell that stops itself first, so that the trace can begin with it."""
    return ["/bin/sh", "-c", 'kill -STOP $$ && exec "$@"', "sh", *argv]


def release(pid, trace):
    """Waits until `pid`, started as `stopped`, has stopped; lets it go on under the trace."""
    os.waitpid(pid, os.WUNTRACED)
    if trace:
        trace.follow(pid)
    os.kill(pid, signal.SIGCONT)


class Tree:
    """Follows the lines of a trace. The root's own threads are left out if `watched_by_root`: it is
    paceline then, and what it has started is the tree."""

    def __init__(self, root, watched_by_root):
        self.root = root
        self.watched = watched_by_root
        self.process = {root: root}  # of each thread
        self.state = {}  # of each thread: since when, and in which group
        self.asleep = {}  # threads whose stack has not been seen yet, with the interval's place
        self.intervals = []  # [thread, begin, end, group, whether it was woken to this]
        self.guessed = 0.0
        self.begin = self.end = None
        self.switches = 0

    def inside(self, thread):
        """Whether a thread counts."""
        process = self.process.get(thread)
        return process is not None and not (self.watched and process == self.root)

    def change(self, thread, at, group, leaves_core=False):
        """The thread does something else from now on; `None` for nothing any more."""
        if thread not in self.process:
            return
        since = self.state.pop(thread, None)
        if since:
            since[2] = at
            if leaves_core and since[3] == "run_queue":
                # Some kernels do not tell of switches from the idle task. Who leaves a core without
                # having come to it was put on one that was idle, as a rule at once.
                self.guessed += (at - since[1]) * (not since[4])
                since[3] = "cpu"
            self.intervals.append(since)
        if group:
            woken = since is None or since[3] not in ("cpu", "run_queue")
            self.state[thread] = [thread, at, at, group, woken]

    def line(self, pid, at, event, rest):
        """One event."""
        if event == "sched_switch":
            found = SWITCH.search(rest)
            if not found:
                return
            before, why, after = int(found[1]), found[2], int(found[3])
            self.switches += self.inside(before)
            if why.startswith("R"):
                self.change(before, at, "run_queue", leaves_core=True)
            elif why[0] in "XZ":
                self.change(before, at, None, leaves_core=True)
            else:
                self.change(before, at, "other", leaves_core=True)
                self.asleep[before] = self.state.get(before)
            self.change(after, at, "cpu")
        elif event in ("sched_wakeup", "sched_wakeup_new"):
            found = WAKE.search(" " + rest)
            thread = int(found[1]) if found else 0
            state = self.state.get(thread)
            if thread in self.process and (state is None or state[3] not in ("cpu", "run_queue")):
                self.change(thread, at, "run_queue")
        elif event == "task_newtask":
            found = NEW.search(rest)
            if found and pid in self.process:
                thread = int(found[1])
                flags = int(found[2], 16)
                self.process[thread] = self.process[pid] if flags & CLONE_THREAD else thread
        elif event == "sched_process_exec":
            found = EXEC.search(rest)
            if found and self.inside(int(found[1])) and self.begin is None:
                self.begin = at
        elif event == "sched_process_exit":
            found = EXIT.search(" " + rest)
            if found and self.inside(int(found[1])):
                self.end = at

    def stack(self, thread, functions):
        """Why a thread has gone to sleep."""
        interval = self.asleep.pop(thread, None)
        if interval is None:
            return
        text = "\n".join(functions)
        interval[3] = next((group for group, known in SLEEPS if known.search(text)), "other")

    def truth(self, lost):
        """All of it, added up."""
        truth = Truth(lost=lost, switches=self.switches, guessed=self.guessed)
        if self.begin is None:
            return truth
        end = self.end if self.end is not None else max((i[2] for i in self.intervals), default=0)
        truth.wall = end - self.begin
        seconds = defaultdict(float)
        edges = []
        threads = set()
        for thread, begin, stop, group, _ in self.intervals:
            begin, stop = max(begin, self.begin), min(stop, end)
            if self.process.get(thread) == self.root and self.watched and group == "cpu":
                truth.watcher_cpu += max(stop - begin, 0)
            if stop <= begin or not self.inside(thread):
                continue
            seconds[group] += stop - begin
            threads.add(thread)
            kind = {"cpu": 0, "run_queue": 0, "disk": 1, "network": 1, "unix": 1}.get(group)
            if kind is not None:
                edges += [(begin, kind, 1), (stop, kind, -1)]
        truth.seconds = dict(seconds)
        truth.threads = len(threads)
        truth.processes = len({self.process[thread] for thread in threads})
        active, last = [0, 0], self.begin
        for at, kind, change in sorted(edges):
            truth.compute += (at - last) * (active[0] > 0)
            truth.io += (at - last) * (active[1] > 0)
            truth.both += (at - last) * (active[0] > 0 and active[1] > 0)
            active[kind] += change
            last = at
        return truth


def understand(lines, lost, root, watched_by_root):
    """What a trace of the process `root` says."""
    tree = Tree(root, watched_by_root)
    stack, owner = [], None
    for line in lines:
        if owner is not None:
            if line.startswith(" =>"):
                stack.append(line[4:].strip())
                continue
            tree.stack(owner, stack)
            stack, owner = [], None
        found = LINE.search(line)
        if not found:
            continue
        pid = int(found[1])
        if found[4] == "<stack trace>":
            owner = pid
        else:
            tree.line(pid, float(found[3]), found[4], found[5])
    if owner is not None:
        tree.stack(owner, stack)
    return tree.truth(lost)
