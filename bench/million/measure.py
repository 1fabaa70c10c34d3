"""What a million inputs cost in memory and time, and what one very long output costs.

Two peaks are told. *own* is the tool's process alone, read from the kernel every few milliseconds
while it runs. *with children* is what the kernel hands over when the tool has ended: the largest
single process of the tool and all it waited for. The second cannot be below the measuring
program's own size (see `common.rss_floor`) and is then shown as "≤".
"""

import os
import shutil
import signal
import sys
import threading
from dataclasses import dataclass, field

import common

POLL_SECONDS = 0.004
# What ends sooner than this has been looked at too rarely to say that we saw its peak.
SEEN_SECONDS = 0.05
MIB = 2**20


@dataclass
class Case:
    """One row: a tool with its arguments, what it reads, and what is expected of it."""

    tool: str
    args: list
    inputs: int = 0  # numbers from 1, through a pipe; 0 for a file instead
    file: str = common.DEV_NULL
    env: dict = field(default_factory=dict)
    bar: int = 0  # MiB that the tool's own process may take at most; 0 for no bar
    lists: bool = False  # it prints a line for every input, which are counted
    interrupt_after: float = 0  # seconds until it is told to stop, and told again; 0 for never
    shown: str = ""  # the command for the table, if the arguments hold paths of ours


@dataclass
class Outcome:
    """What a case came to."""

    sample: common.Sample
    own: int  # bytes, 0 if it ended too soon to tell
    taken: int  # bytes of input that the tool has taken from the pipe
    offered: int  # bytes there were to take
    lines: int = 0  # lines printed, if they are counted
    stopped: str = ""  # why it was not left to finish, if so


class Feed:
    """`seq` at the other end of a pipe."""

    def __init__(self, count):
        self.offered = sum(
            (min(count, 10**digits - 1) - 10 ** (digits - 1) + 1) * (digits + 1)
            for digits in range(1, len(str(count)) + 1)
        )
        self.read_end, write_end = os.pipe()
        self.pid = os.posix_spawn(
            shutil.which("seq"),
            ["seq", str(count)],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, write_end, 1)],
            setsigdef=[signal.SIGPIPE],
        )
        os.close(write_end)

    def written(self):
        """Bytes that have gone into the pipe; all of them once `seq` is gone."""
        try:
            with open(f"/proc/{self.pid}/io", encoding="ascii") as counters:
                return next(int(line.split()[1]) for line in counters if line.startswith("wchar"))
        except (OSError, StopIteration):
            return self.offered

    def close(self):
        """Ends `seq` if it still writes."""
        os.close(self.read_end)
        try:
            os.kill(self.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)


class Watch(threading.Thread):
    """Polls a process's own peak until told to end, and stops a process that is to be stopped."""

    def __init__(self, pid, case, feed, box):
        super().__init__(daemon=True)
        self.pid, self.case, self.feed, self.box = pid, case, feed, box
        self.own = self.taken = 0
        self.stopped = ""
        self.ended = threading.Event()

    def run(self):
        began = common.clock()
        # When to send what, and what the table says about it.
        plan = [(self.box, signal.SIGKILL, f"killed after {self.box:.0f} s")]
        if self.case.interrupt_after:
            first = self.case.interrupt_after
            plan = [
                (first, signal.SIGINT, "two INTs"),
                (first + 0.5, signal.SIGINT, "two INTs"),
                (first + 20, signal.SIGKILL, "two INTs, then KILL: it did not end"),
            ]
        while True:
            self.own = max(self.own, common.peak_rss(self.pid))
            if self.ended.wait(POLL_SECONDS):
                return
            if plan and common.clock() - began > plan[0][0]:
                _, number, self.stopped = plan.pop(0)
                if self.feed and not self.taken:
                    self.taken = self.feed.written()
                os.kill(self.pid, number)


def perform(case, path, scratch, box):
    """Runs one case."""
    feed = Feed(case.inputs) if case.inputs else None
    env = {"HOME": scratch, "TMPDIR": scratch, "PARALLEL_SHELL": "/bin/sh"} | case.env
    stdin = feed.read_end if feed else case.file
    output = os.path.join(scratch, "output") if case.lists else common.DEV_NULL
    began = common.clock()
    # A group of its own: interrupts that we send are meant for the tool alone.
    argv = [path, *case.args]
    pid = common.start(argv, stdin=stdin, stdout=output, env=env, own_group=True)
    watch = Watch(pid, case, feed, box)
    watch.start()
    # Wait without reaping first: as long as it is not reaped, nobody else gets its number.
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    watch.ended.set()
    watch.join()
    _, status, usage = os.wait4(pid, 0)
    sample = common.finish(status, usage, began)
    offered = feed.offered if feed else 0
    taken = watch.taken or (feed.written() if feed else 0)
    if feed:
        feed.close()
    lines = 0
    if case.lists:
        with open(output, "rb") as printed:
            lines = sum(1 for _ in printed)
        os.remove(output)
    own = watch.own if sample.wall >= SEEN_SECONDS else 0
    return Outcome(sample, own, taken, offered, lines, watch.stopped)


def cases(count, scratch):
    """All rows, in the order of the table."""

    def journal(name):
        return ["--journal", os.path.join(scratch, f"{name}.db")]

    true, slow = "/bin/true", ["/bin/sh", "-c", "sleep 0.05"]
    perl = min(count, 100_000)
    gigabyte = ["head", "-c", "1000000000"]
    zero = os.path.join(scratch, "zero")
    with open(zero, "w", encoding="ascii") as file:
        file.write("/dev/zero\n")
    return [
        Case("paceline", ["run", "--dry-run", "--", true, "{}"], count, bar=20, lists=True),
        Case(
            "paceline",
            ["run", "--progress=plain", "--dry-run", "--", true, "{}"],
            count,
            bar=20,
            lists=True,
        ),
        Case(
            "paceline",
            ["run", "-X", *journal("many"), "--", true],
            count,
            bar=20,
            shown=f"run -X --journal … -- {true}",
        ),
        Case(
            "paceline",
            ["run", "-q", "-j", "2", *journal("slow"), "--", *slow, "{}"],
            count,
            bar=20,
            interrupt_after=10,
            shown="run -q -j 2 --journal … -- /bin/sh -c 'sleep 0.05' {}",
        ),
        Case("xargs", [], count),
        Case("xargs", ["-P", "2", "-n", "1000", true], count),
        Case("rust-parallel", ["--dry-run", true], count),
        Case("parallel", ["--dry-run", true, "{}"], perl, lists=True),
        Case(
            "paceline",
            ["run", "-q", *journal("long"), "--", *gigabyte, "{}"],
            file=zero,
            bar=40,
            shown="run -q --journal … -- head -c 1000000000 {}",
        ),
        Case("xargs", ["-n", "1", *gigabyte], file=zero),
        Case("rust-parallel", gigabyte, file=zero),
        Case("parallel", [*gigabyte, "{}"], file=zero),
    ]


def miscounted(case, outcome):
    """Whether a tool that should print each input did not, though it was left to finish."""
    return case.lists and not outcome.stopped and outcome.lines != case.inputs


def row(case, outcome, floor):
    """The table's row of a case."""
    sample = outcome.sample
    shown = f"`{case.tool} {case.shown or ' '.join(case.args)}`".replace(" `", "`")
    notes = [outcome.stopped] if outcome.stopped else []
    if sample.status and not outcome.stopped:
        notes.append(f"FAILED: exit {sample.status}")
    if outcome.offered and outcome.stopped:
        notes.append(f"{100 * outcome.taken / outcome.offered:.0f} % of the input taken by then")
    if miscounted(case, outcome):
        notes.append(f"FAILED: {outcome.lines:,} lines printed")
    verdict = "–"
    if case.bar:
        # One that ended too soon is judged by the kernel's figure, which is no smaller.
        met = (outcome.own or sample.max_rss) <= case.bar * MIB
        verdict = f"≤ {case.bar}: {'yes' if met else '**no**'}"
    sign = "≤ " if sample.max_rss <= floor else ""
    return [
        shown,
        f"{case.inputs:,}" if case.inputs else "1",
        f"{sample.wall:.2f}",
        f"{sample.cpu:.2f}",
        common.mib(outcome.own) if outcome.own else "–",
        f"{sign}{common.mib(sample.max_rss)}",
        verdict,
        "; ".join(notes),
    ]


def main():
    parser = common.parser(__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--box", type=float, default=300, help="seconds a tool may take at most")
    options = parser.parse_args()

    tools = common.tools_from(options.tool)
    if not tools:
        sys.exit("no tool to measure")
    common.heading("A million inputs", tools)
    print(
        "Inputs through a pipe from `seq`, output to /dev/null or, where its lines are\n"
        "counted, a file. Peaks in MiB.\n"
    )
    rows = []
    failed = False
    for case in cases(options.count, options.scratch):
        if case.tool not in tools:
            continue
        print(f"running {case.tool} {' '.join(case.args)}", file=sys.stderr)
        outcome = perform(case, tools[case.tool], options.scratch, options.box)
        status = outcome.sample.status
        failed |= miscounted(case, outcome) or (status != 0 and not outcome.stopped)
        # A peer may be too slow to be waited for; paceline must end when it is told to.
        failed |= case.tool == "paceline" and status == -signal.SIGKILL
        # Ours grows as we go: ask anew.
        rows.append(row(case, outcome, common.rss_floor()))
    columns = ["command", "inputs", "s", "CPU s", "own", "with children", "bar", " notes"]
    common.table(columns, rows)
    if failed:
        sys.exit("a tool failed: see the notes")


main()
