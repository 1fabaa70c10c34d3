"""Races ways through the same pipeline, in turn."""

import argparse
import os
import subprocess
import sys

import common

WAIT, COMPUTE, BLOCK = 0.010, 0.001, 0.002
# The last is no way: it computes and does nothing else, which is as fast as the machine was.
WAYS = ["paceline", "channels", "tokio-rayon", "spawn-blocking", "asyncio", "computing-alone"]
MIB = 2**20


def once(argv, items, env):
    """Wall time in seconds and peak of memory in bytes, after all items came out."""
    done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, check=True, text=True)
    wall, out, peak = done.stdout.split()
    if int(out) != items:
        sys.exit(f"{argv}: {out} of {items} items came out")
    return float(wall), int(peak)


def calibrated(program):
    """Steps that take a millisecond on an idle core, the best of several processes."""
    found = []
    for _ in range(5):
        shown = subprocess.run([program, "--steps"], stdout=subprocess.PIPE, check=True, text=True)
        found.append(int(shown.stdout))
    return max(found)


def mixed(options, env):
    cores = len(os.sched_getaffinity(0))
    ideal = options.items * COMPUTE / cores
    here = os.path.dirname(os.path.abspath(__file__))
    samples = {way: [] for way in WAYS}
    order = list(WAYS)
    for number in range(options.rounds):
        for way in order:
            argv = [options.program, "--way", way, "--items", str(options.items)]
            if way == "asyncio":
                argv = [sys.executable, os.path.join(here, "peer.py"), str(options.items)]
            samples[way].append(once(argv, options.items, env)[0])
        order.append(order.pop(0))
        print(f"round {number + 1} of {options.rounds} done", file=sys.stderr)
    print(
        f"{options.items} items: {WAIT * 1e3:.0f} ms of waiting, {COMPUTE * 1e3:.0f} ms of computing, "
        f"{BLOCK * 1e3:.0f} ms of blocking. Ideal on {cores} cores: {ideal:.2f} s.\n"
    )
    rows = []
    for way, walls in samples.items():
        low, high = common.quartiles(walls)
        pairs = [mine / hand for mine, hand in zip(walls, samples["channels"])]
        rows.append(
            [
                way,
                f"{common.median(walls):.3f}",
                f"{low:.3f}–{high:.3f}",
                common.ratio(common.median(walls) / ideal),
                common.ratio(common.median(pairs)),
            ]
        )
    common.table(["way", "s", "quartiles", "s ÷ ideal", "s ÷ channels"], rows)


def tiny(options, env):
    items, stages = 1_000_000, 3
    rows = []
    for way in ("paceline", "channels"):
        argv = [options.program, "--workload", "tiny", "--way", way, "--items", str(items)]
        walls = [once(argv, items, env)[0] for _ in range(options.rounds)]
        wall = common.median(walls)
        rows.append([way, f"{wall:.3f}", f"{wall / items / stages * 1e9:.0f}"])
    print(f"\n{items:,} items with nothing to do at {stages} stages.\n")
    common.table(["way", "s", "ns per item and stage"], rows)


def payload(options, env):
    rows = []
    for budget in (64, 16):
        argv = [options.program, "--workload", "payload", "--items", "2000"]
        argv += ["--budget", str(budget * MIB)]
        peaks = [once(argv, 2000, env)[1] for _ in range(min(options.rounds, 3))]
        peak = max(peaks)
        rows.append([f"{budget} MiB", common.mib(peak), f"{peak / MIB - budget:.1f}"])
    print("\n2,000 items of 1 MiB.\n")
    common.table(["budget", "peak, MiB", "above the budget, MiB"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--items", type=int, default=2000)
    options = parser.parse_args()
    common.heading("pipelines", {"python": sys.executable})
    env = os.environ | {"STEPS": str(calibrated(options.program))}
    mixed(options, env)
    tiny(options, env)
    payload(options, env)


main()
