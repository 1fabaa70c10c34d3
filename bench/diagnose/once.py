"""One program, run once: what paceline says of it, and what the scheduler's trace says."""

import json
import os
import select
import signal
from contextlib import nullcontext
from dataclasses import dataclass, field

import common
import oracle

# No program runs for longer, even if it shares a core with ten others.
MOST_SECONDS = 90
WATCH_FOR = "60s"


@dataclass
class Outcome:
    """A program run under `paceline diagnose`."""

    name: str
    loaded: bool
    said: dict = field(default_factory=dict)  # its JSON
    truth: oracle.Truth | None = None
    own_cpu: float = 0.0  # seconds that paceline's own process has used, as the kernel counts
    tree_cpu: float = 0.0  # seconds of all it has waited for: the program
    others: float = 0.0  # share of the machine that was taken by what is none of ours
    trouble: str = ""  # why there is nothing to compare, or why it must be doubted

    @property
    def cause(self):
        """What was found; `failed` if nothing was."""
        return self.said.get("cause", "failed")


@dataclass
class Run:
    """A run of a command in the surroundings of a program."""

    sample: common.Sample
    truth: oracle.Truth | None
    own_cpu: float
    tree_cpu: float
    others: float
    complaint: str  # empty if it ended well


class Runner:
    """Runs commands, and paceline on them."""

    def __init__(self, paceline, scratch, traced):
        self.paceline = paceline
        self.traced = traced
        self.report = os.path.join(scratch, "verdict.json")
        self.stderr = os.path.join(scratch, "stderr")

    def diagnose(self, program, ready, loaded):
        """Runs a program under `paceline diagnose`, and under the scheduler's trace."""
        if os.path.exists(self.report):
            os.remove(self.report)
        run = self._run(self._watching(ready.argv), ready, watched=True, lifetimes=False)
        outcome = Outcome(
            program.name,
            loaded,
            truth=run.truth,
            own_cpu=run.own_cpu,
            tree_cpu=run.tree_cpu,
            others=run.others,
            trouble=run.complaint,
        )
        try:
            with open(self.report, encoding="utf-8") as file:
                outcome.said = json.load(file)
        except (OSError, ValueError) as error:
            outcome.trouble = f"{run.complaint}; no verdict: {error}".removeprefix("; ")
        return outcome

    def timed(self, argv, ready, with_paceline=False):
        """What `argv` takes, alone or under paceline: its own wall time, if a trace can tell that.
        None if it fails."""
        words = self._watching(argv) if with_paceline else argv
        run = self._run(words, ready, watched=with_paceline, lifetimes=True)
        if run.complaint:
            return None
        if run.truth and run.truth.wall:
            run.sample.wall = run.truth.wall
        return run.sample

    def _watching(self, argv):
        words = [self.paceline, "diagnose", "--duration", WATCH_FOR, "--format", "json"]
        return [*words, "--output", self.report, "--", *argv]

    def _run(self, argv, ready, watched, lifetimes):
        outside = outside_cpu(ready)
        busy, began = common.busy_seconds(), common.clock()
        with oracle.traced(lifetimes) if self.traced else nullcontext() as trace:
            pid = common.start(
                oracle.stopped(argv),
                stdin=ready.stdin,
                stderr=self.stderr,
                env=ready.env,
                own_group=True,
            )
            oracle.release(pid, trace)
            over = wait_for_end(pid)
            # Until it is waited for, the kernel tells it apart from what it has waited for itself.
            own_cpu, tree_cpu = cpu_seconds(pid)
            _, status, usage = os.wait4(pid, 0)
            sample = common.finish(status, usage, began)
            busy = common.busy_seconds() - busy - sample.cpu
            busy -= outside_cpu(ready) - outside
            lines, lost = trace.stop() if trace else ([], 0)
        return Run(
            sample,
            oracle.understand(lines, lost, pid, watched) if lines else None,
            own_cpu,
            tree_cpu,
            max(busy / sample.wall / os.cpu_count(), 0.0),
            self._complaint(sample.status, over),
        )

    def _complaint(self, status, over):
        """Why a run came to nothing, in words."""
        if not over:
            return f"killed after {MOST_SECONDS} s"
        if status == 0:
            return ""
        with open(self.stderr, encoding="utf-8", errors="replace") as text:
            lines = [line.strip() for line in text if line.strip()]
        return f"exit {status}" + (f": {lines[-1][:120]}" if lines else "")


def wait_for_end(pid):
    """Waits until a child has ended; kills it and its group when it takes too long. Returns whether
    it came to its end by itself."""
    handle = os.pidfd_open(pid)
    over, _, _ = select.select([handle], [], [], MOST_SECONDS)
    if not over:
        os.killpg(pid, signal.SIGKILL)
        select.select([handle], [], [])
    os.close(handle)
    return bool(over)


def cpu_seconds(pid):
    """Processor time that a process has used, and that of the children it has waited for; none if it
    is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0, 0.0
    user, system, user_below, system_below = map(int, fields[11:15])
    ticks = os.sysconf("SC_CLK_TCK")
    return (user + system) / ticks, (user_below + system_below) / ticks


def outside_cpu(ready):
    """What the surroundings of a program have used."""
    return sum(sum(cpu_seconds(pid)) for pid in ready.outside)
