"""The workloads: jobs, how many, and the levels that may be the best for them."""

import atexit
import math
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from corpus import compressed, gather

MIB = 2**20


@dataclass
class Place:
    """Where things are."""

    lab: str
    scratch: str
    source: str
    gzip: str

    def job(self, *words):
        """A lab-job."""
        return [os.path.join(self.lab, "lab-job"), *words]

    def get(self):
        """A lab-get of the server that is filled in for `URL`."""
        return [os.path.join(self.lab, "lab-get"), "URL/{}"]

    def path(self, name):
        """A path in the scratch directory."""
        return os.path.join(self.scratch, name)

    def in_memory(self, name):
        """A directory in memory, where there is one, for files that every run makes anew: ext4
        takes longer and longer to make files in the minutes after many were removed."""
        if not os.access("/dev/shm", os.W_OK):
            return self.path(name)
        path = tempfile.mkdtemp(prefix="paceline-bench.", dir="/dev/shm")
        atexit.register(shutil.rmtree, path, ignore_errors=True)
        return path


@dataclass
class Workload:
    """Jobs whose best level is to be found. In a command, `URL` is the server's."""

    name: str
    about: str
    command: list
    inputs: list
    levels: list  # the one that is likely the best comes first, so that bad ones end early
    share: float = 1.0  # of the inputs, for what is so slow that a part must stand for the whole
    server: Callable | None = None  # the server's flags, by the number of inputs
    memory: int = 0  # bytes of the cgroup to run in
    before: Callable = lambda: None  # done before each run
    starts: str = ""  # a file to which each job adds a line when it starts
    rejects: bool = False  # the server may answer 429


def lognormal(count, mean, variation, seed):
    """`count` times with this mean and coefficient of variation, the same ones every time."""
    chance = random.Random(seed)
    square = math.log(1 + variation**2)
    middle = math.log(mean) - square / 2
    return [chance.lognormvariate(middle, math.sqrt(square)) for _ in range(count)]


def numbers(count):
    """Inputs that only tell jobs apart."""
    return [str(number) for number in range(1, count + 1)]


def cpu(place):
    times = [min(max(time, 0.05), 0.5) for time in lognormal(60, 0.15, 0.8, seed=1)]
    return Workload(
        "cpu",
        "CPU, 60 × 0.05–0.5 s",
        place.job("burn", "{}"),
        [f"{time:.3f}" for time in times],
        [2, 3, 4, 1, 6, 8],
    )


def gzip(place):
    corpus = place.in_memory("corpus")
    gather(place.source, corpus, 4000)
    files = sorted(
        os.path.join(folder, name) for folder, _, names in os.walk(corpus) for name in names
    )
    files = [file for file in files if "\n" not in file]

    def clean():
        for path in compressed(corpus):
            os.remove(path)

    return Workload(
        "gzip",
        f"gzip of {len(files)} small files",
        [place.gzip, "-nkf", "{}"],
        files,
        [2, 3, 4, 6, 1, 8],
        before=clean,
    )


def get(place):
    return Workload(
        "get",
        "GET, 6000 × 50 ms, no limit",
        place.get(),
        numbers(6000),
        [128, 96, 192, 64, 256, 48, 32],
        share=0.016,
        server=lambda count: ["--latency", "50ms"],
    )


def capacity(place):
    beyond = ["--usl", "0.02,0.0005", "--usl-beyond-capacity"]
    return Workload(
        "capacity",
        "GET, 1600 × 50 ms, capacity 20, slower beyond",
        place.get(),
        numbers(1600),
        [20, 24, 16, 28, 32, 12, 48],
        share=0.05,
        server=lambda count: ["--latency", "50ms", "--capacity", "20", *beyond],
    )


def reject(place):
    return Workload(
        "reject",
        "GET, 800 × 50 ms, 429 above 10",
        place.get(),
        numbers(800),
        [10, 9, 8, 12, 6, 16],
        share=0.1,
        server=lambda count: ["--latency", "50ms", "--reject-above", "10"],
        rejects=True,
    )


def mix(place):
    waits = lognormal(250, 70, 0.3, seed=5)
    return Workload(
        "mix",
        "30 ms CPU + 70 ms socket × 250",
        place.job("mix", "--cpu", "30", "--socket", "URL", "--wait", "{}"),
        [f"{wait:.0f}" for wait in waits],
        [8, 12, 6, 10, 16, 24, 4],
        share=0.2,
        server=lambda count: [],
    )


def disk(place):
    file = place.path("blocks")
    if not os.path.exists(file):
        with open(file, "wb") as blocks:
            for _ in range(1024):
                blocks.write(os.urandom(MIB))
            os.fsync(blocks.fileno())
    sizes = lognormal(180, 8 * 1024, 0.3, seed=6)
    return Workload(
        "disk",
        "direct reads, 180 × 8 MiB in random 4 KiB",
        place.job("read-direct", file, "--block", "4k", "--bytes", "{}"),
        [f"{size:.0f}k" for size in sizes],
        [64, 32, 96, 16, 48, 8, 128, 4],
        share=0.2,
    )


def memory(place):
    starts = place.path("starts")

    def clean():
        with open(starts, "w", encoding="ascii"):
            pass

    script = 'echo "$2" >>"$0"; exec "$1" hold --bytes 300M --seconds 0.6'
    return Workload(
        "memory",
        "60 × 300 MiB for 0.6 s, in 2 GiB",
        ["/bin/sh", "-c", script, starts, place.job()[0], "{}"],
        numbers(60),
        [6, 5, 7, 4, 8, 3],
        share=0.2,
        memory=2048 * MIB,
        before=clean,
        starts=starts,
    )


def tails(place):
    # Cut at 20 times the mean, or the time would be that of the one longest job at any level.
    times = [min(time, 3.0) for time in lognormal(3000, 0.15, 2.0, seed=2)]
    return Workload(
        "tails",
        "sleeps, 3000 × 0.15 s, lognormal, cv 2",
        place.job("sleep", "{}"),
        [f"{time:.4f}" for time in times],
        [192, 256, 128, 384, 96, 512, 64],
        share=0.01,
    )


def falls(place):
    def flags(count):
        change = f"{count * 6 // 10}:capacity=10"
        beyond = ["--usl", "0.01,0.0001", "--usl-beyond-capacity"]
        return ["--latency", "100ms", "--capacity", "80", *beyond, "--change-at", change]

    return Workload(
        "falls",
        "GET, 1000 × 100 ms, capacity 80, then 10",
        place.get(),
        numbers(1000),
        [32, 48, 24, 64, 16, 80, 12],
        share=0.04,
        server=flags,
    )


def turns(place):
    burns = [f"burn {time:.3f}" for time in lognormal(80, 0.05, 0.3, seed=3)]
    sleeps = [f"sleep {time:.3f}" for time in lognormal(2000, 0.2, 0.3, seed=4)]
    return Workload(
        "turns",
        "80 × 0.05 s CPU, then 2000 × 0.2 s sleep",
        place.job("{1}", "{2}"),
        burns + sleeps,
        [384, 512, 256, 768, 192, 128],
        share=0.01,
    )


ALL = [cpu, gzip, get, capacity, reject, mix, disk, memory, tails, falls, turns]

if __name__ == "__main__":
    print("\n".join(make.__name__ for make in ALL))
