"""Whether `paceline diagnose` is right, what it costs, and whether its advice holds."""

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass, field

import common
import oracle
import prescription
import tables
from once import Runner
from programs import Corpus, surroundings

# A run is called disturbed if processes that are none of ours took more than this share of it.
DISTURBED = 0.1


@dataclass
class Measured:
    """All that was measured."""

    outcomes: list = field(default_factory=list)
    pairs: list = field(default_factory=list)  # name, without, with: samples
    applied: list = field(default_factory=list)


def chosen(corpus, missing, options):
    """The programs that were asked for and that this machine can run."""
    names = options.only.split(",") if options.only else None
    known = {program.name for program in corpus.programs}
    unknown = [name for name in names or [] if name not in known]
    if unknown:
        sys.exit(f"no such program: {', '.join(unknown)}; --list prints them")
    programs = []
    for program in corpus.programs:
        if names is not None and program.name not in names:
            continue
        if options.held_out and not program.held_out or options.tuning and program.held_out:
            continue
        if program.name in missing:
            print(f"skipping {program.name}: {missing[program.name]}", file=sys.stderr)
            continue
        programs.append(program)
    return programs


def measure(corpus, programs, options, tools):
    """Runs everything."""
    traced = not options.no_oracle and oracle.available()
    if not traced and not options.no_oracle:
        print(
            "no shares: the scheduler's trace needs root, and tracefs "
            "(mount -t tracefs nodev /sys/kernel/tracing)",
            file=sys.stderr,
        )
    runner = Runner(tools["paceline"], corpus.scratch, traced)
    measured = Measured()
    for number, program in enumerate(programs):
        print(f"{number + 1}/{len(programs)} {program.name}", file=sys.stderr)
        for loaded in [False] if options.quick else [False, True]:
            with surroundings(corpus, program, hogs=int(loaded)) as ready:
                outcome = runner.diagnose(program, ready, loaded)
            if outcome.others > DISTURBED:
                note = f"others had {100 * outcome.others:.0f} % of the machine" + ", loaded" * loaded
                outcome.trouble = f"{outcome.trouble}; {note}".removeprefix("; ")
            measured.outcomes.append(outcome)
        idle = next(o for o in reversed(measured.outcomes) if not o.loaded)
        if options.pairs and number % options.pairs == 0 and not program.quota:
            measured.pairs += pair(corpus, program, runner, number % 2)
        if program.variants and idle.said and not options.quick:
            with surroundings(corpus, program) as ready:
                applied = prescription.apply(idle, program, ready, runner)
            measured.applied += [applied] if applied else []
    return measured


def pair(corpus, program, runner, order):
    """One run with paceline and one without, in either order."""
    samples = {}
    for kind in ["without", "with"][:: -1 if order else 1]:
        with surroundings(corpus, program) as ready:
            samples[kind] = runner.timed(ready.argv, ready, with_paceline=kind == "with")
    if None in samples.values():
        return []
    return [(program.name, samples["without"], samples["with"])]


def keep(path, measured):
    """Writes all of it as JSON."""
    kept = {
        "outcomes": [asdict(outcome) for outcome in measured.outcomes],
        "pairs": [[name, asdict(a), asdict(b)] for name, a, b in measured.pairs],
        "applied": [asdict(applied) for applied in measured.applied],
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=1)


def main():
    parser = common.parser(__doc__.splitlines()[0])
    parser.add_argument("--corpus", required=True, help="the directory of corpus.toml")
    parser.add_argument("--lab", required=True, help="the directory of lab-server and the others")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", metavar="NAME,…")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--tuning", action="store_true")
    parser.add_argument("--no-oracle", action="store_true")
    parser.add_argument("--pairs", type=int, metavar="N")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    if options.pairs is None:
        options.pairs = 0 if options.quick else 3
    scale = float(os.environ.get("LAB_SCALE", "1"))
    corpus = Corpus(options.corpus, options.lab, options.scratch, scale)
    if options.list:
        for program in corpus.programs:
            print(f"{program.name:24}{program.cause:24}{program.about}")
        return
    tools = common.tools_from(options.tool)
    if "paceline" not in tools:
        sys.exit("there is nothing to measure without paceline")
    # So that what is around a program is ended as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    programs = chosen(corpus, corpus.build(), options)
    if not programs:
        sys.exit("there is no program left to run")
    common.heading("Diagnosis", tools)
    measured = measure(corpus, programs, options, tools)
    if options.json:
        keep(options.json, measured)
    by_name = {program.name: program for program in programs}
    tables.verdicts(measured, by_name)
    tables.accuracy(measured, by_name)
    tables.shares(measured)
    tables.cost(measured)
    tables.prescriptions(measured)


if __name__ == "__main__":
    main()
