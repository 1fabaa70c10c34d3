"""Races ways to compute beside an event loop; prints three tables."""

import argparse
import json
import os
import subprocess
import sys

import common

WAYS = ["inline", "spawn-blocking", "rayon", "paceline"]
HEAVY_MS = 50
CLIENTS = [0, 4, 64]
FLOOR = "idle, beside nice 19"


def options():
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--programs", required=True, help="where the programs are")
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--seconds", type=float, default=5.0)
    made.add_argument("--raw", help="a file that every measurement is added to")
    return made.parse_args()


def output(argv):
    """What a program prints; ends the benchmark if it fails."""
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout


class Server:
    """One server, for as long as it is needed."""

    def __init__(self, given, *flags):
        argv = [os.path.join(given.programs, "offload-server"), *map(str, flags)]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Crowd:
    """A process per core that never rests, at the lowest priority and outside the server: what the
    kernel alone makes of a machine whose cores are busy."""

    def __enter__(self):
        argv = ["nice", "-n", "19", sys.executable, "-c", "while True: pass"]
        self.processes = [subprocess.Popen(argv) for _ in os.sched_getaffinity(0)]
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def load(given, server, **flags):
    argv = [os.path.join(given.programs, "offload-load"), "--address", server.address]
    argv += ["--seconds", str(given.seconds)]
    for name, value in flags.items():
        argv += [f"--{name.replace('_', '-')}", str(value)]
    seen = json.loads(output(argv))
    if given.raw:
        with open(given.raw, "a", encoding="utf-8") as raw:
            print(json.dumps({"argv": argv} | seen), file=raw)
    return seen


def count(seen, status="200"):
    return seen.get(status, {"count": 0})["count"]


def p99_ms(parts):
    """The median of percentiles, where there were any."""
    found = common.median(part["200"]["p99_us"] for part in parts if "200" in part)
    return "–" if found is None else f"{found / 1000:.2f}"


def round_trips(given):
    argv = [os.path.join(given.programs, "round-trip"), "--rounds", str(given.rounds)]
    found = {}
    for line in output(argv).splitlines():
        one = json.loads(line)
        found.setdefault(one["pool"], {}).setdefault(one["in_flight"], []).append(one["ns"])
    print("A job that does nothing, handed over and back; median ns per round trip.\n")
    rows = []
    for pool, by_flight in found.items():
        cells = []
        for values in by_flight.values():
            low, high = common.quartiles(values)
            cells += [f"{common.median(values):.0f}", f"{low:.0f}–{high:.0f}"]
        rows.append([pool, *cells])
    common.table(["pool", "1 in flight", "quartiles", "64 in flight", "quartiles"], rows)


def responsiveness(given, rounds_of_work):
    seen = {}
    for number in range(given.rounds):
        for way in WAYS[number % len(WAYS) :] + WAYS[: number % len(WAYS)]:
            with Server(given, "--way", way, "--rounds", rounds_of_work) as server:
                for clients in CLIENTS:
                    one = load(given, server, heavy=clients)
                    seen.setdefault((way, clients), []).append(one)
                if way == "paceline":
                    with Crowd():
                        one = load(given, server, heavy=0)
                    seen.setdefault((FLOOR, 0), []).append(one)
        print(f"round {number + 1} of {given.rounds} done", file=sys.stderr)
    print(
        f"`/hello` 400 times a second beside clients that ask for {HEAVY_MS} ms of CPU again and "
        f"again; medians of {given.rounds} rounds. × idle is within a round. The client shares the cores: "
        "woken is how late its own threads were at the 99th percentile, answered how long they then "
        f"waited. *{FLOOR}* is a server that computes nothing, while a process per core at the lowest "
        "priority does: what the kernel makes of busy cores.\n"
    )
    rows = []
    for (way, clients), runs in seen.items():
        hello = [run["hello"]["200"] for run in runs]
        alone = "paceline" if way == FLOOR else way
        idle = [run["hello"]["200"]["p99_us"] for run in seen[alone, 0]]
        rate = [count(run["heavy"]) / run["seconds"] for run in runs]
        inline = [count(run["heavy"]) / run["seconds"] for run in seen["inline", clients]]
        ms = lambda name: f"{common.median(one[name] for one in hello) / 1000:.2f}"
        part = lambda of: p99_ms(run[of] for run in runs)
        times_idle = common.median(one["p99_us"] / was for one, was in zip(hello, idle))
        done = common.median(mine / best for mine, best in zip(rate, inline)) if clients else None
        rows.append(
            [way, clients, ms("p50_us"), ms("p99_us"), part("hello_wakes"), part("hello_answers")]
            + [ms("p999_us"), common.ratio(times_idle)]
            + [f"{common.median(rate):.1f}" if clients else "–", common.ratio(done)]
        )
    columns = ["way", "heavy clients", "p50 ms", "p99 ms", "woken p99", "answered p99", "p99.9 ms"]
    columns += ["p99 × idle"]
    common.table(columns + ["heavy/s", "× inline"], rows)


def shedding(given, rounds_of_work):
    cores = len(os.sched_getaffinity(0))
    rate = 4 * cores * 1000 / HEAVY_MS
    most_ms = 500
    flags = ["--way", "paceline", "--rounds", rounds_of_work, "--max-wait-ms", most_ms]
    with Server(given, *flags) as server:
        seen = load(given, server, heavy=160, heavy_rate=rate, hello=100)
    print(
        f"{rate:.0f} heavy requests a second, four times what {cores} cores can do; "
        f"at most {most_ms} ms to wait.\n"
    )
    rows = []
    for status, times in seen["heavy"].items():
        ms = [f"{times[name] / 1000:.1f}" for name in ("p50_us", "p99_us", "max_us")]
        rows.append([status, times["count"], *ms])
    common.table(["status", "answers", "p50 ms", "p99 ms", "longest ms"], rows)


def main():
    given = options()
    server = os.path.join(given.programs, "offload-server")
    work = output([server, "--way", "inline", "--calibrate", str(HEAVY_MS)]).strip()
    common.heading("Offload", {})
    round_trips(given)
    responsiveness(given, work)
    shedding(given, work)


main()
