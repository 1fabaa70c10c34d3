"""Times dispatchers against each other on jobs that do next to nothing.

Every round runs each tool once, in an order that moves on by one from round to round, so that the
machine's moods hit all alike. Tools are compared within a round; the median of these ratios is
what counts.
"""

import json
import os
import sys

import common

# The tools that the others are set in proportion to.
YARDSTICKS = ["bare", "xargs", "parallel"]


def kinds(nothing):
    """The jobs: a name for the table and the arguments, to which the number is added."""
    return {
        "nothing": [nothing],
        "true": ["/bin/true"],
        "sh": ["/bin/sh", "-c", "echo $0"],
    }


def command(tool, path, level, job, count, scratch):
    """How `tool` is told to run `job` with each input, `level` at a time."""
    if tool == "bare":
        return [path, str(level), str(count), "--", *job, "{}"]
    if tool == "paceline":
        journal = os.path.join(scratch, "journal.db")
        return [path, "run", "-q", "-j", str(level), "--journal", journal, "--", *job, "{}"]
    if tool == "xargs":
        return [path, "-P", str(level), "-n", "1", *job]
    if tool == "parallel":
        # -q keeps its shell from reading the `$0` that belongs to the job's shell.
        return [path, "-q", "-j", str(level), *job, "{}"]
    if tool == "rust-parallel":
        return [path, "-j", str(level), *job]
    raise ValueError(f"no such tool: {tool}")


class Bench:
    """One invocation: the tools, the inputs, and where the rubbish goes."""

    def __init__(self, tools, nothing, scratch):
        self.tools = tools
        self.scratch = scratch
        self.kinds = kinds(nothing)
        self.complaints = os.path.join(scratch, "stderr")

    def inputs(self, count):
        """A file with the numbers from 1 to `count`."""
        path = os.path.join(self.scratch, f"inputs.{count}")
        if not os.path.exists(path):
            with open(path, "w", encoding="ascii") as file:
                file.writelines(f"{number}\n" for number in range(1, count + 1))
        return path

    def once(self, tool, kind, level, count, stdout=common.DEV_NULL, tries=3):
        """Runs one tool once over `count` inputs; ends the benchmark if it fails."""
        common.forget_journal(self.scratch)
        argv = command(tool, self.tools[tool], level, self.kinds[kind], count, self.scratch)
        sample = common.run(
            argv,
            stdin=self.inputs(count),
            stdout=stdout,
            stderr=self.complaints,
            # GNU parallel starts all jobs through a shell: let it be the quickest one here.
            env={"PARALLEL_SHELL": "/bin/sh", "HOME": self.scratch},
        )
        if sample.status == 0:
            return sample
        # GNU parallel now and then gives up by itself (255) on a busy machine; once is no finding.
        if tool == "parallel" and sample.status == 255 and tries > 1:
            return self.once(tool, kind, level, count, stdout, tries - 1)
        with open(self.complaints, encoding="utf-8", errors="replace") as text:
            sys.exit(f"{' '.join(argv)}: exit {sample.status}\n{text.read()[:2000]}")

    def check(self, level):
        """Every tool must run every input once, or its time says nothing."""
        count = 100
        for tool in self.tools:
            output = os.path.join(self.scratch, "output")
            self.once(tool, "sh", level, count, stdout=output)
            with open(output, encoding="utf-8", errors="replace") as lines:
                seen = sorted(line.strip() for line in lines)
            if seen != sorted(str(number) for number in range(1, count + 1)):
                sys.exit(f"{tool} did not run each of {count} inputs once: {seen[:10]}…")

    def rounds(self, kind, level, count, rounds, raw):
        """The samples of all tools, a list per tool with one entry per round."""
        samples = {tool: [] for tool in self.tools}
        order = list(self.tools)
        for number in range(rounds):
            for tool in order:
                sample = self.once(tool, kind, level, count)
                samples[tool].append(sample)
                if raw:
                    line = {"tool": tool, "job": kind, "level": level, "round": number}
                    line |= {"jobs": count, "wall": sample.wall, "cpu": sample.cpu}
                    raw.write(json.dumps(line) + "\n")
            order.append(order.pop(0))
        return samples


def against(samples, tool, yardstick):
    """The median over the rounds of `tool`'s rate in proportion to that of `yardstick`."""
    if yardstick not in samples:
        return None
    pairs = zip(samples[tool], samples[yardstick])
    return common.median(other.wall / own.wall for own, other in pairs)


def rows(samples, kind, level, count):
    """The table's rows of one job kind at one level."""
    for tool, own in samples.items():
        rates = [count / sample.wall for sample in own]
        low, high = common.quartiles(rates)
        cpu = common.median(1e3 * sample.cpu / count for sample in own)
        yield [
            kind,
            level,
            tool,
            f"{common.median(rates):.0f}",
            f"{low:.0f}–{high:.0f}",
            f"{cpu:.3f}",
            *(common.ratio(against(samples, tool, yardstick)) for yardstick in YARDSTICKS),
        ]


def main():
    parser = common.parser(__doc__.splitlines()[0])
    parser.add_argument("--nothing", required=True, help="the program that ends at once")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--levels", type=int, nargs="+", default=[2, 8])
    parser.add_argument("--raw", help="a file for every single measurement, as lines of JSON")
    options = parser.parse_args()

    tools = common.tools_from(options.tool)
    if not tools:
        sys.exit("no tool to measure")
    bench = Bench(tools, options.nothing, options.scratch)
    common.heading("Dispatch", {name: path for name, path in tools.items() if name != "bare"})
    print(f"{options.jobs} jobs, {options.rounds} rounds, tools in turn; output to /dev/null.\n")

    bench.check(max(options.levels))
    raw = open(options.raw, "a", encoding="ascii") if options.raw else None
    lines = []
    for kind in bench.kinds:
        for level in options.levels:
            print(f"measuring {kind} at level {level}", file=sys.stderr)
            samples = bench.rounds(kind, level, options.jobs, options.rounds, raw)
            lines.extend(rows(samples, kind, level, options.jobs))
    if raw:
        raw.close()
    columns = ["job", "level", " tool", "jobs/s", "quartiles", "CPU ms/job"]
    common.table(columns + [f"× {name}" for name in YARDSTICKS], lines)


main()
