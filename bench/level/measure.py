"""How good is the level that paceline finds by itself?

Each workload runs at fixed levels, of which the best one is the measure; with `-j auto` and a new
journal (cold); and twice more with the journal that this has left (remembered). The first round
sweeps all levels, later ones repeat those that may be the best, in turn with `-j auto`.
"""

import json
import os
import statistics
import sys
from dataclasses import asdict

import common
import workloads
from once import Runner
from surroundings import MemoryGroup, Server

# A level within this of the best one may be the best in truth.
NEAR = 1.1
# Levels that are repeated at most.
REPEATED = 3
# A fixed level that takes longer than this, in proportion to the best one, is cut short.
HOPELESS = 1.5
# So is `-j auto`, if it takes longer than this.
LOST = 8
# If others have taken more than this share of the machine, a run says little.
DISTURBED = 0.1
# It is repeated, so often at most, and the least disturbed one counts.
TRIES = 3
AUTO = ["cold", "second", "third"]


class Measurement:
    """All runs of one workload."""

    def __init__(self, runner, cores, raw, quick):
        self.runner = runner
        self.workload = runner.workload
        self.cores = cores
        self.raw = raw
        self.auto_ways = AUTO[:2] if quick else AUTO
        levels = self.workload.levels
        self.levels = levels[:3] if quick else levels
        self.fixed = {level: {} for level in self.levels}  # runs by round
        self.auto = {way: {} for way in self.auto_ways}
        self.at_cores = self.xargs = None

    def measure(self, rounds):
        """Takes all measurements."""
        half = (len(self.levels) + 1) // 2
        for level in self.levels[:half]:
            self.run_fixed(level, 0)
        self.run_auto(0)
        for level in self.levels[half:]:
            self.run_fixed(level, 0)
        self.run_references()
        for number in range(1, rounds):
            turns = [*self.near_best(), "auto"]
            first = number % len(turns)
            for turn in turns[first:] + turns[:first]:
                if turn == "auto":
                    self.run_auto(number)
                else:
                    self.run_fixed(turn, number)

    def run_fixed(self, level, number):
        best = self.best_time()
        most = None if best is None else HOPELESS * best + 1
        self.fixed[level][number] = self.undisturbed(
            f"-j {level}",
            number,
            lambda: self.runner.paceline(level, self.new_journal(), most=most),
        )

    def run_auto(self, number):
        best = self.best_time()
        most = None if best is None else LOST * best + 10
        for way in self.auto_ways:
            self.auto[way][number] = self.undisturbed(
                f"-j auto, {way}",
                number,
                lambda way=way: self.runner.paceline("auto", self.journal_for(way), most=most),
            )

    def run_references(self):
        """As many as there are cores, by ourselves and by xargs; a part stands for the whole."""
        share = self.workload.share
        if share < 1 or self.cores not in self.fixed:
            self.at_cores = self.undisturbed(
                f"-j {self.cores} of a part",
                0,
                lambda: self.runner.paceline(self.cores, self.new_journal(), share),
            )
        else:
            self.at_cores = self.fixed[self.cores][0]
        if "xargs" in self.runner.tools:
            self.xargs = self.undisturbed(
                f"xargs -P {self.cores}", 0, lambda: self.runner.xargs(self.cores, share)
            )

    def undisturbed(self, way, number, take):
        """Takes a measurement, and again if others disturbed it."""
        taken = []
        while len(taken) < TRIES and all(run.others > DISTURBED for run in taken):
            common.wait_for_quiet()
            taken.append(take())
            self.note(way, number, taken[-1])
        return min(taken, key=lambda run: (not run.finished, run.others))

    def journal_for(self, way):
        """The journal that the ways before this one have left."""
        if way == AUTO[0]:
            return self.new_journal()
        return os.path.join(self.runner.scratch, "journal.db")

    def new_journal(self):
        common.forget_journal(self.runner.scratch)
        return os.path.join(self.runner.scratch, "journal.db")

    def note(self, way, number, run):
        """For whoever watches, and for the file of all measurements."""
        level = "" if run.level is None else f", level {run.level}"
        found = list(troubles([run]))
        if run.others > DISTURBED:
            found.append(f"others took {100 * run.others:.0f} % of the machine")
        trouble = ", ".join(found)
        trouble = trouble and f", {trouble}"
        print(f"{self.workload.name}: {way}: {run.wall:.2f} s{level}{trouble}", file=sys.stderr)
        if self.raw:
            line = {"workload": self.workload.name, "way": way, "round": number, **asdict(run)}
            self.raw.write(json.dumps(line) + "\n")
            self.raw.flush()

    def times(self):
        """The median time of each level that may be called the best."""
        return {
            level: common.median(run.wall for run in runs.values())
            for level, runs in self.fixed.items()
            if runs and all(run.acceptable() for run in runs.values())
        }

    def best_time(self):
        return min(self.times().values(), default=None)

    def near_best(self):
        times = self.times()
        best = min(times.values(), default=0)
        near = [level for level in times if times[level] <= NEAR * best]
        return sorted(near, key=times.get)[:REPEATED]

    def best_level(self):
        """The best of those that were measured in every round."""
        times = self.times()
        near = self.near_best()
        most = max((len(self.fixed[level]) for level in near), default=0)
        return min((level for level in near if len(self.fixed[level]) == most), key=times.get)

    def against_best(self, way):
        """The median over the rounds of the time of an auto way, by that of the best level."""
        best = self.fixed[self.best_level()]
        pairs = [(run, best[number]) for number, run in self.auto[way].items() if number in best]
        return common.median(auto.wall / fixed.wall for auto, fixed in pairs)

    def disturbed(self):
        """Runs that others disturbed, and all runs."""
        sets = [*self.fixed.values(), *self.auto.values()]
        runs = [run for runs in sets for run in runs.values()]
        return sum(run.others > DISTURBED for run in runs), len(runs)

    def complete(self):
        """Whether all jobs of all auto runs were done, so that their times mean something."""
        runs = [run for way in self.auto.values() for run in way.values()]
        return all(run.finished and not run.failed for run in runs)


def troubles(runs):
    """What went wrong in the worst of these runs, in words."""
    runs = list(runs)
    rejected = max(run.rejected for run in runs)
    if rejected > 0:
        yield f"{100 * rejected:.1f} % rejected"
    for words, count in [
        ("killed for memory", max(run.oom_kills for run in runs)),
        ("started twice", max(run.duplicates for run in runs)),
        ("failed", max(run.failed for run in runs)),
    ]:
        if count:
            yield f"{count} {words}"
    if not all(run.finished for run in runs):
        yield "cut short"


def row(measurement):
    """The table's row of a workload, and its ratios if they count."""
    workload = measurement.workload
    if not measurement.times():
        return [workload.name, workload.about, "–", *[""] * 8, "no fixed level got through"], None
    best = measurement.best_level()
    best_time = measurement.times()[best]
    ratios = {way: measurement.against_best(way) for way in measurement.auto_ways}
    mark = "" if measurement.complete() else "†"
    levels = []
    notes = []
    for way in measurement.auto_ways:
        runs = measurement.auto[way].values()
        known = [run.level for run in runs if run.level is not None]
        levels.append(f"{common.median(known):g}" if known else "–")
        notes += [f"{way}: {', '.join(found)}" for found in [list(troubles(runs))] if found]
    disturbed, of = measurement.disturbed()
    if disturbed:
        notes.append(f"{disturbed} of {of} runs disturbed")
    spread = [run.wall / best_time for run in measurement.fixed[best].values()]
    cells = [
        workload.name,
        workload.about,
        best,
        f"{best_time:.2f}",
        f"{min(spread):.2f}–{max(spread):.2f}",
        common.ratio(measurement.at_cores.wall / best_time),
        common.ratio(measurement.xargs and measurement.xargs.wall / best_time),
        *(f"{common.ratio(ratio)}{mark}" for ratio in ratios.values()),
        " → ".join(levels),
        "; ".join(notes),
    ]
    return cells, ratios if measurement.complete() else None


def summary(counted, ways):
    """Two rows below the others: the geometric mean, and the worst."""
    for name, of in [
        ("geometric mean", statistics.geometric_mean),
        ("worst", max),
    ]:
        cells = [common.ratio(of([ratios[way] for ratios in counted])) for way in ways]
        yield [f"**{name}**", f"of {len(counted)}", *[""] * 5, *cells, "", ""]


def chosen(only):
    """The workloads that were asked for."""
    if not only:
        return workloads.ALL
    names = only.split(",")
    known = {make.__name__: make for make in workloads.ALL}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no such workload: {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names]


def measure(make, place, tools, cores, options, raw):
    """Measures one workload; returns None if this machine cannot."""
    group = None
    workload = make(place)
    if workload.memory:
        try:
            group = MemoryGroup(workload.memory)
        except OSError as error:
            print(f"skipping {workload.name}: no cgroup can be made: {error}", file=sys.stderr)
            return None
    server = Server(os.path.join(place.lab, "lab-server"))
    try:
        runner = Runner(workload, tools, place.scratch, server, group)
        measurement = Measurement(runner, cores, raw, options.quick)
        measurement.measure(options.rounds or (1 if options.quick else 3))
        return measurement
    finally:
        if group:
            group.remove()


def main():
    parser = common.parser(__doc__.splitlines()[0])
    parser.add_argument("--lab", required=True, help="the directory of lab-server and the others")
    parser.add_argument("--source", required=True, help="a directory with files to compress")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", metavar="NAME,…")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--raw", help="a file for every single measurement, as lines of JSON")
    options = parser.parse_args()

    tools = common.tools_from(options.tool)
    if "paceline" not in tools:
        sys.exit("there is nothing to measure without paceline")
    place = workloads.Place(options.lab, options.scratch, options.source, "/bin/gzip")
    cores = len(os.sched_getaffinity(0))
    common.heading("The level", tools)
    raw = open(options.raw, "a", encoding="ascii") if options.raw else None
    rows, counted = [], []
    ways = AUTO[:2] if options.quick else AUTO
    for make in chosen(options.only):
        measurement = measure(make, place, tools, cores, options, raw)
        if measurement:
            cells, ratios = row(measurement)
            rows.append(cells)
            if ratios:
                counted.append(ratios)
    if raw:
        raw.close()
    uncounted = len(rows) - len(counted)
    if len(counted) > 1:
        rows.extend(summary(counted, ways))
    columns = ["workload", " what", "best -j", "s", "spread", f"-j {cores}", f"xargs -P {cores}"]
    columns += [f"auto, {way}" for way in ways] + [" levels", " notes"]
    common.table(columns, rows)
    print("Times but *s* are in proportion to that of the best fixed level, whose spread is shown.")
    print(f"Disturbed: others took more than {100 * DISTURBED:.0f} % of the machine.")
    if uncounted:
        print("† Jobs failed or the run was cut short: not in the mean.")


main()
