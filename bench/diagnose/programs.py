"""The programs of lab/corpus: what is said of them, and what must be around them when they run."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import tomllib
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

CPU_GROUPS = "/sys/fs/cgroup/cpu", "/sys/fs/cgroup"
QUOTA_PERIOD_US = 100_000


@dataclass
class Program:
    """One `[[program]]` of corpus.toml, where the fields are described."""

    name: str
    language: str
    about: str
    command: list
    cause: str
    bound: str = ""
    also: list = field(default_factory=list)
    because: str = ""
    held_out: bool = False
    loaded: str = ""
    loaded_also: list = field(default_factory=list)
    server: list | None = None
    prepare: list = field(default_factory=list)
    beside: list = field(default_factory=list)
    hogs: int = 0
    quota: float = 0.0
    feed: int = 0
    scale: float = 1.0
    libraries: list = field(default_factory=list)
    variants: dict = field(default_factory=dict)
    verified: str = ""

    def expected(self, loaded):
        """The causes that are right: the one to name first, then others that are as true."""
        if loaded and self.loaded:
            return [self.loaded, *self.loaded_also]
        return [self.cause, *self.also]


class Corpus:
    """All programs, and where things are."""

    def __init__(self, folder, lab, scratch, scale=1.0):
        self.folder = os.path.abspath(folder)
        self.lab = os.path.abspath(lab)
        self.scratch = scratch
        self.scale = scale
        self.bin = os.path.join(scratch, "bin")
        self.data = os.path.join(scratch, "data")
        with open(os.path.join(folder, "corpus.toml"), "rb") as file:
            self.programs = [Program(**entry) for entry in tomllib.load(file)["program"]]

    def build(self):
        """Compiles what is in C, links the lab's programs beside it, and makes the data. Returns
        the names of the programs that this machine cannot have, each with the reason."""
        os.makedirs(self.bin, exist_ok=True)
        os.makedirs(self.data, exist_ok=True)
        for name in os.listdir(self.lab):
            if name.startswith("lab-") and os.access(os.path.join(self.lab, name), os.X_OK):
                os.symlink(os.path.join(self.lab, name), os.path.join(self.bin, name))
        missing = {}
        for program in self.programs:
            why = self._cannot(program)
            if why:
                missing[program.name] = why
                continue
            for data in program.prepare:
                script = os.path.join(self.folder, "prepare.py")
                subprocess.run([sys.executable, script, data, self.data], check=True)
        return missing

    def _cannot(self, program):
        tool = program.command[0]
        if "{" not in tool and not shutil.which(tool):
            return f"there is no {tool}"
        if program.quota and not cpu_groups():
            return "a control group for its quota cannot be made"
        compiled = os.path.join(self.bin, program.command[0].removeprefix("{bin}/"))
        if program.language != "c" or os.path.exists(compiled):
            return None
        source = os.path.join(self.folder, "c", os.path.basename(compiled) + ".c")
        words = ["cc", "-O2", "-g", "-pthread", *program.libraries, "-o", compiled, source, "-lm"]
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        except OSError as error:
            return f"there is no C compiler: {error}"
        return f"it does not compile: {done.stderr[:200]}" if done.returncode else None

    def hog(self):
        """The command of a process that takes a core for as long as it lives."""
        return [os.path.join(self.bin, "lab-job"), "burn", "86400"]


def cpu_groups():
    """The folder in which groups with a quota can be made, or None."""
    for folder in CPU_GROUPS:
        for name in ("cpu.cfs_quota_us", "cpu.max"):
            if os.path.exists(f"{folder}/{name}") and os.access(folder, os.W_OK):
                return folder
        if os.path.exists(f"{folder}/cgroup.controllers") and os.access(folder, os.W_OK):
            with open(f"{folder}/cgroup.controllers", encoding="ascii") as controllers:
                if "cpu" in controllers.read().split():
                    return folder
    return None


@dataclass
class Ready:
    """A program that can be started now."""

    argv: list
    env: dict
    stdin: int | str
    outside: list  # process ids of what was started for it and is none of its own
    fill: dict

    def variant(self, command, level):
        """The argv of another command in the same surroundings."""
        return [filled(word, {**self.fill, "level": str(level)}) for word in command]


def filled(word, values):
    """`word` with each {name} replaced."""
    for name, value in values.items():
        word = word.replace("{" + name + "}", value)
    return word


@contextmanager
def surroundings(corpus, program, hogs=0):
    """What `program` needs around it while it runs, and so many busy processes more."""
    scale = corpus.scale * program.scale
    scratch = os.path.join(corpus.scratch, "run")
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    fill = {
        "python": sys.executable,
        "corpus": corpus.folder,
        "bin": corpus.bin,
        "scratch": scratch,
        "data": corpus.data,
        "seconds": f"{3.5 * scale:.3f}",
    }
    with ExitStack() as stack:
        outside = []
        if program.server is not None:
            pid, fill["server"] = stack.enter_context(lab_server(corpus, program.server))
            outside.append(pid)
        if program.beside:
            words = [filled(word, fill) for word in program.beside]
            outside.append(stack.enter_context(until_ready(words)).pid)
        for _ in range(program.hogs + hogs):
            outside.append(stack.enter_context(running(corpus.hog())).pid)
        argv = [filled(word, fill) for word in program.command]
        if program.quota:
            argv = stack.enter_context(in_quota(program.quota, argv))
        stdin = os.devnull
        if program.feed:
            stdin = stack.enter_context(slow_lines(program.feed, 0.25 * scale))
        env = {"LAB_SCALE": repr(scale), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C"}
        yield Ready(argv, env, stdin, outside, fill)


@contextmanager
def running(argv, **how):
    """A process that is ended, with its children, when it is not needed any more."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, **how)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


@contextmanager
def until_ready(argv):
    """The same, for one that prints a line when it is ready. What it started ends by itself."""
    with running(argv, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process


@contextmanager
def lab_server(corpus, flags):
    """A lab-server: its process id and URL."""
    argv = [os.path.join(corpus.lab, "lab-server"), *flags]
    with running(argv, stdout=subprocess.PIPE, text=True) as process:
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        # So that the first request that counts finds it warm.
        urllib.request.urlopen(f"{url}/stats").close()
        yield process.pid, url


@contextmanager
def in_quota(cores, argv):
    """`argv`, run in a control group that may use so many cores."""
    path = f"{cpu_groups()}/paceline-bench-{os.getpid()}"
    os.mkdir(path)
    try:
        quota = round(cores * QUOTA_PERIOD_US)
        if os.path.exists(f"{path}/cpu.cfs_quota_us"):
            settings = {"cpu.cfs_period_us": QUOTA_PERIOD_US, "cpu.cfs_quota_us": quota}
        else:
            settings = {"cpu.max": f"{quota} {QUOTA_PERIOD_US}"}
        for name, value in settings.items():
            with open(f"{path}/{name}", "w", encoding="ascii") as file:
                file.write(str(value))
        enter = 'echo $$ >"$0" && exec "$@"'
        yield ["/bin/sh", "-c", enter, f"{path}/cgroup.procs", *argv]
    finally:
        remove_group(path)


def remove_group(path):
    """Removes a group, once what is in it has been ended."""
    for _ in range(100):
        try:
            os.rmdir(path)
            return
        except OSError:
            with open(f"{path}/cgroup.procs", encoding="ascii") as procs:
                for pid in procs.read().split():
                    os.kill(int(pid), signal.SIGKILL)
            threading.Event().wait(0.05)


@contextmanager
def slow_lines(count, every):
    """The reading end of a pipe into which a line comes now and then."""
    reading, writing = os.pipe()
    over = threading.Event()

    def write():
        for number in range(count):
            if over.wait(every):
                break
            try:
                os.write(writing, f"line {number}\n".encode())
            except OSError:
                break
        os.close(writing)

    feeding = threading.Thread(target=write)
    feeding.start()
    try:
        yield reading
    finally:
        over.set()
        os.close(reading)
        feeding.join()
