"""A real job, with the level found by paceline: many small files through gzip.

Every round runs each way once over the same files, in an order that moves on by one from round to
round. After every run the compressed files must hold the same bytes as after the first.
"""

import hashlib
import os
import subprocess
import sys

import common
from corpus import compressed, gather


def digest(corpus):
    """One hash over the names and bytes of all compressed files, and how many there are."""
    whole = hashlib.sha256()
    paths = compressed(corpus)
    for path in paths:
        with open(path, "rb") as file:
            part = hashlib.sha256(file.read()).digest()
        whole.update(os.fsencode(os.path.relpath(path, corpus)) + b"\0" + part)
    return whole.hexdigest(), len(paths)


def ways(tools, level, scratch, gzip):
    """The competitors: a name for the table and a command that reads names from stdin."""
    job = [gzip, "-nkf"]
    journal = os.path.join(scratch, "journal.db")
    made = {}
    if "xargs" in tools:
        made[f"xargs -P {level}"] = [tools["xargs"], "-0", "-P", str(level), "-n", "1", *job]
    if "paceline" in tools:
        paceline = [tools["paceline"], "run", "-q", "-0", "--journal", journal]
        made["paceline, auto, cold"] = [*paceline, "--", *job, "{}"]
        made[f"paceline -j {level}"] = [*paceline, "-j", str(level), "--", *job, "{}"]
    return made


def once(argv, corpus, scratch):
    """Runs one way from a clean start: nothing compressed, nothing remembered."""
    for path in compressed(corpus):
        os.remove(path)
    common.forget_journal(scratch)
    complaints = os.path.join(scratch, "stderr")
    find = ["find", corpus, "-type", "f", "!", "-name", "*.gz", "-print0"]
    with subprocess.Popen(find, stdout=subprocess.PIPE) as finder:
        sample = common.run(
            argv,
            stdin=finder.stdout.fileno(),
            stderr=complaints,
            env={"HOME": scratch, "GZIP": ""},
        )
    if sample.status != 0:
        with open(complaints, encoding="utf-8", errors="replace") as text:
            sys.exit(f"{' '.join(argv)}: exit {sample.status}\n{text.read()[:2000]}")
    return sample


def main():
    parser = common.parser(__doc__.splitlines()[0])
    parser.add_argument("--source", default="/usr/share/doc")
    parser.add_argument("--files", type=int, default=3000, help="how many files at most")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--gzip", required=True)
    options = parser.parse_args()

    tools = common.tools_from(options.tool)
    level = len(os.sched_getaffinity(0))
    competitors = ways(tools, level, options.scratch, options.gzip)
    if not competitors:
        sys.exit("no tool to measure")
    corpus = os.path.join(options.scratch, "files")
    files, size = gather(options.source, corpus, options.files)
    if not files:
        sys.exit(f"no files to compress in {options.source}: name another folder in SOURCE")

    common.heading("gzip over many small files", tools | {"gzip": options.gzip})
    print(f"{files} files, {common.mib(size)} MiB, {options.rounds} rounds, ways in turn.\n")
    samples = {name: [] for name in competitors}
    order = list(competitors)
    expected = None
    for number in range(options.rounds + 1):
        for name in order:
            sample = once(competitors[name], corpus, options.scratch)
            result = digest(corpus)
            expected = expected or result
            if result != expected or result[1] != files:
                sys.exit(f"{name}: {result[1]} compressed files of {files}, or other bytes")
            # The first round warms the page cache for all and is not counted.
            if number > 0:
                samples[name].append(sample)
        order.append(order.pop(0))
        print(f"round {number} of {options.rounds} done", file=sys.stderr)

    yardstick = next(iter(samples))
    rows = []
    for name, own in samples.items():
        walls = [sample.wall for sample in own]
        low, high = common.quartiles(walls)
        ratios = [one.wall / other.wall for one, other in zip(own, samples[yardstick])]
        rows.append(
            [
                name,
                f"{common.median(walls):.3f}",
                f"{low:.3f}–{high:.3f}",
                f"{common.median(sample.cpu for sample in own):.2f}",
                common.ratio(common.median(ratios)),
            ]
        )
    common.table(["way", "s", "quartiles", "CPU s", f"s ÷ {yardstick}"], rows)
    print(f"All {files} compressed files hold the same bytes after every run.")


main()
