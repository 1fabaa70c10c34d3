"""One run of one workload, and what can be told about it afterwards."""

import json
import os
import sys
from dataclasses import dataclass

import common


@dataclass
class Run:
    """What a run came to."""

    wall: float  # seconds, for all inputs: scaled, if only a part was run
    finished: bool  # it was not cut short
    failed: int  # jobs
    rejected: float  # share of the requests that were answered with 429
    oom_kills: int
    duplicates: int  # starts beyond one for each job
    level: float | None  # jobs at once in the second half
    others: float  # share of the machine that was taken by what is none of ours

    def acceptable(self):
        """Whether its level may be called the best one."""
        harmless = self.rejected <= 0.01 and not self.oom_kills
        # Those that were rejected count as failed, unless the tool knows what busy means.
        return self.finished and harmless and (self.failed == 0 or self.rejected > 0)


def settled(joblog):
    """The level in the second half, in which jobs were still there to be started: the median over
    time of those that ran, from the median start to the last start."""
    spans = []
    try:
        with open(joblog, encoding="utf-8", errors="replace") as lines:
            next(lines)
            for line in lines:
                fields = line.split("\t")
                spans.append((float(fields[2]), float(fields[2]) + float(fields[3])))
    except (OSError, StopIteration):
        return None
    starts = sorted(start for start, _ in spans)
    if len(starts) < 4:
        return None
    begin, end = starts[len(starts) // 2], starts[-1]
    events = [(start, 1) for start, _ in spans] + [(stop, -1) for _, stop in spans]
    running, last, lasted = 0, begin, {}
    for moment, change in sorted(events):
        inside = min(max(moment, begin), end)
        lasted[running] = lasted.get(running, 0) + inside - last
        last = inside
        running += change
    half, so_far = sum(lasted.values()) / 2, 0
    for level in sorted(lasted):
        so_far += lasted[level]
        if so_far >= half:
            return level
    return None


class Runner:
    """Runs one workload, again and again."""

    def __init__(self, workload, tools, scratch, server, group):
        self.workload = workload
        self.tools = tools
        self.scratch = scratch
        self.server = server
        self.group = group

    def paceline(self, level, journal, share=1.0, most=None):
        """With `-j level`."""
        joblog, summary = self.path("joblog"), self.path("summary.json")
        words = [self.tools["paceline"], "run", "-q", "-j", str(level), "--journal", journal]
        words += ["--joblog", joblog, "--summary", summary]
        if "{2}" in self.workload.command:
            words += ["-C", " "]
        words += ["--", *self.workload.command]
        return self.run(words, share, most, joblog, summary)

    def xargs(self, level, share=1.0):
        """With `xargs -P level`."""
        words = [self.tools["xargs"], "-P", str(level)]
        if "{2}" in self.workload.command:
            job = [word for word in self.workload.command if not word.startswith("{")]
            return self.run([*words, "-n", "2", *job], share)
        return self.run([*words, "-d", "\\n", "-I", "{}", *self.workload.command], share)

    def path(self, name):
        return os.path.join(self.scratch, name)

    def run(self, argv, share, most=None, joblog=None, summary=None):
        """Runs a share of the inputs, evenly taken from all."""
        workload = self.workload
        step = round(1 / share)
        inputs = workload.inputs[::step]
        with open(self.path("inputs"), "w", encoding="utf-8", errors="surrogateescape") as file:
            file.writelines(f"{line}\n" for line in inputs)
        for old in filter(None, (joblog, summary)):
            if os.path.exists(old):
                os.remove(old)
        workload.before()
        kills = self.group.oom_kills() if self.group else 0
        if workload.server:
            url = self.server.start(workload.server(len(inputs)))
            argv = [word.replace("URL", url) for word in argv]
        if self.group:
            argv = self.group.inside(argv)
        complaints = self.path("stderr")
        busy = common.busy_seconds()
        sample = common.run(
            argv,
            most=most,
            stdin=self.path("inputs"),
            stderr=complaints,
            env={"HOME": self.scratch, "GZIP": ""},
        )
        busy = common.busy_seconds() - busy - sample.cpu
        if workload.server:
            busy -= self.server.cpu_seconds()
        stats = self.server.stop() if workload.server else {}
        finished = sample.status >= 0
        told = read_json(summary) if summary else {}
        failed = told.get("jobs", {}).get("failed", 0)
        if finished and sample.status != 0 and not workload.rejects and not self.group:
            with open(complaints, encoding="utf-8", errors="replace") as text:
                sys.exit(f"{' '.join(argv)}: exit {sample.status}\n{text.read()[:2000]}")
        asked = stats.get("rejected", 0) + stats.get("served", 0)
        return Run(
            wall=sample.wall * len(workload.inputs) / len(inputs),
            finished=finished,
            failed=failed,
            rejected=stats.get("rejected", 0) / asked if asked else 0.0,
            oom_kills=(self.group.oom_kills() if self.group else 0) - kills,
            duplicates=max(lines(workload.starts) - len(inputs), 0) if finished else 0,
            level=settled(joblog) if joblog else None,
            # What killed jobs have used is in nobody's account.
            others=max(busy / sample.wall / os.cpu_count(), 0.0) if finished else 0.0,
        )


def read_json(path):
    """What is in a file of JSON; nothing if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def lines(path):
    """Lines in a file; none if it has no name."""
    if not path:
        return 0
    with open(path, "rb") as file:
        return sum(1 for _ in file)
