"""Compares what paceline says of a program with what is true of it."""

from collections import Counter, defaultdict

import common

# The groups of the scheduler's trace, each with the classes of a profile that it has in it. What a
# thread waits for is compared as far as the kernel knows of it: whether a futex is a lock, a
# condition or Python's is not its affair.
GROUPS = {
    "cpu": ["cpu"],
    "run_queue": ["run-queue"],
    "disk": ["disk", "page-fault"],
    "network": ["network"],
    "lock": ["lock", "condition", "gil"],
    "sleep": ["sleep"],
    "child": ["child"],
    "poll": ["poll"],
    "pipe": ["pipe"],
    "other": ["other"],
}
# Threads that stand by are no part of the shares, but in the trace they are asleep in one of these.
STANDBY = ["join", "idle"]
STANDS_BY_IN = ["lock", "poll", "pipe", "network", "other", "sleep", "child"]
# What a thread polls for, the trace cannot tell, for what it awaits a signal, and whether it reads a pipe until its
# child ends; paceline may know.
CLAIMED = [
    ("poll", "sleep"),
    ("poll", "pipe"),
    ("poll", "network"),
    ("other", "child"),
    ("pipe", "child"),
]
# Below so many thread-seconds, a share says nothing.
LEAST_SECONDS = 0.2
# A trace that is further from the CPU time that the kernel counts has missed switches: of threads that a quota
# takes off their cores, some kernels trace none.
TRACE_OFF = 0.15


def contradicted(outcome):
    """Whether the trace of a run has other CPU time in it than the kernel's own counters."""
    traced = outcome.truth.seconds.get("cpu", 0) if outcome.truth else 0
    apart = abs(traced - outcome.tree_cpu)
    return apart > LEAST_SECONDS and apart > TRACE_OFF * outcome.tree_cpu


def differences(outcome):
    """In each group, the share in percent of the thread-seconds that were not spent standing by, as
    paceline has it less what the trace has; None if they cannot be compared."""
    truth = outcome.truth
    said = outcome.said.get("thread_seconds")
    if not truth or not said or truth.lost or not truth.seconds or contradicted(outcome):
        return None
    found = {group: sum(said.get(name, 0) for name in names) for group, names in GROUPS.items()}
    real = {group: truth.seconds.get(group, 0) for group in GROUPS}
    # Whether a unix socket leads to another process of the program, the trace does not say.
    unix = truth.seconds.get("unix", 0)
    within = max(min(unix, found["pipe"] - real["pipe"]), 0)
    real["pipe"] += within
    real["network"] += unix - within
    # What stands by is taken from where the trace has more than the profile.
    standby = sum(said.get(name, 0) for name in STANDBY)
    for group in sorted(STANDS_BY_IN, key=lambda group: found[group] - real[group]):
        part = min(standby, max(real[group] - found[group], 0))
        real[group] -= part
        standby -= part
    for vague, exact in CLAIMED:
        part = max(min(real[vague] - found[vague], found[exact] - real[exact]), 0)
        real[vague] -= part
        real[exact] += part
    all_found, all_real = sum(found.values()), sum(real.values())
    if min(all_found, all_real) < LEAST_SECONDS:
        return None
    return {
        group: 100 * (found[group] / all_found - real[group] / all_real)
        for group in GROUPS
        if found[group] or real[group]
    }


def shares(outcomes):
    """Rows of the table of shares: by group, over all programs that have any of it."""
    by_group = defaultdict(list)
    for outcome in outcomes:
        for group, points in (differences(outcome) or {}).items():
            by_group[group].append((abs(points), points, outcome))
    for group in GROUPS:
        if group not in by_group:
            continue
        found = by_group[group]
        size, signed, worst = max(found, key=lambda entry: entry[0])
        beyond = sum(points > 5 for points, _, _ in found)
        where = worst.name + (", loaded" if worst.loaded else "")
        yield [
            group.replace("_", " "),
            len(found),
            f"{common.median(points for points, _, _ in found):.1f}",
            f"{size:.1f}",
            beyond,
            f"{where} ({signed:+.1f})",
        ]


def utilisation(outcome):
    """Utilisation as it is said to be and as it was, or None."""
    truth = outcome.truth
    missing = not truth or truth.lost or not truth.wall or contradicted(outcome)
    if missing or "utilisation" not in outcome.said:
        return None
    cores = outcome.said.get("cores") or 1
    return outcome.said["utilisation"], truth.seconds.get("cpu", 0) / truth.wall / cores


def cpu_time(outcome):
    """By how many percent the program's CPU time is off what the kernel has counted for paceline's
    children; None if that is too little. It needs no trace."""
    said = outcome.said.get("thread_seconds", {}).get("cpu", 0)
    if outcome.tree_cpu < LEAST_SECONDS:
        return None
    return 100 * abs(said / outcome.tree_cpu - 1)


def verdict(outcome, program):
    """Whether the cause is right: `ok`, `also` for another that is as true, or `miss`."""
    right = program.expected(outcome.loaded)
    if outcome.cause == right[0]:
        return "ok"
    return "also" if outcome.cause in right else "miss"


def confusion(outcomes, programs):
    """Rows of the confusion table: what was found, by what is true."""
    found = defaultdict(Counter)
    for outcome in outcomes:
        program = programs[outcome.name]
        right = program.expected(outcome.loaded)
        true = outcome.cause if outcome.cause in right else right[0]
        found[true][outcome.cause] += 1
    for true, counts in sorted(found.items()):
        wrong = [f"{cause} {count}" for cause, count in counts.most_common() if cause != true]
        yield [true, sum(counts.values()), counts[true], ", ".join(wrong) or "–"]


def accuracy(outcomes, programs):
    """How many of how many are right, of causes and of bounds."""
    causes = [verdict(outcome, programs[outcome.name]) != "miss" for outcome in outcomes]
    bounds = [
        outcome.said.get("bound") == programs[outcome.name].bound
        for outcome in outcomes
        if programs[outcome.name].bound and not outcome.loaded
    ]
    return sum(causes), len(causes), sum(bounds), len(bounds)
