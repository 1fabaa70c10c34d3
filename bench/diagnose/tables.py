"""The tables of what was measured."""

import common
import compare

# Programs that run for less are left out where time is compared with time.
LEAST_SECONDS = 1


def percent(value):
    """A share as text."""
    return "–" if value is None else f"{100 * value:.0f} %"


def verdicts(measured, programs):
    """What was found of each program."""
    rows = []
    for name, program in programs.items():
        outcomes = {o.loaded: o for o in measured.outcomes if o.name == name}
        cells = [name + (" °" if program.held_out else ""), program.language]
        notes = []
        for loaded in (False, True):
            outcome = outcomes.get(loaded)
            if not outcome:
                continue
            expected = program.expected(loaded)[0]
            right = compare.verdict(outcome, program)
            found = outcome.cause if right != "ok" else "ok"
            bold = f"**{found}**" if right == "miss" else found
            if not loaded:
                bound = outcome.said.get("bound", "–")
                wrong = program.bound and bound != program.bound
                cells += [expected, f"{bound} ≠ {program.bound}" if wrong else bound]
            cells.append(bold)
            confidence = outcome.said.get("confidence")
            cells.append("–" if confidence is None else f"{confidence:.2f}")
            points = compare.differences(outcome)
            cells.append(f"{max(map(abs, points.values())):.1f}" if points else "–")
            if loaded and expected != program.cause:
                notes.append(f"loaded: {expected}")
            if outcome.trouble:
                notes.append(outcome.trouble.replace("|", "/"))
        rows.append([*cells, "; ".join(notes)])
    columns = ["program", " language", " true", " bound", " idle", "confidence", "points off"]
    if any(outcome.loaded for outcome in measured.outcomes):
        columns += [" loaded", "confidence", "points off"]
    print("#### Programs\n")
    common.table([*columns, " notes"], rows)
    print("° held out. *ok*, or what was found instead. *points off*: of the share that is off most.\n")


def accuracy(measured, programs):
    """How many are right, of all and of those held out."""
    print("#### Right\n")
    rows = []
    for title, wanted in [
        ("all", lambda outcome: True),
        ("held out", lambda outcome: programs[outcome.name].held_out),
        ("tuned on", lambda outcome: not programs[outcome.name].held_out),
    ]:
        for loaded in (False, True):
            some = [o for o in measured.outcomes if wanted(o) and o.loaded == loaded]
            if some:
                right, of, bounds, with_bounds = compare.accuracy(some, programs)
                bound = f"{bounds} of {with_bounds}" if with_bounds else "–"
                state = "loaded" if loaded else "idle"
                rows.append([title, state, f"{right} of {of}", percent(right / of), bound])
    common.table(["programs", " machine", "cause right", "", "bound right"], rows)
    print("#### Confusion\n")
    rows = compare.confusion(measured.outcomes, programs)
    common.table(["true", "runs", "right", " taken for"], rows)


def shares(measured):
    """Shares against the trace, and what can be held against the kernel's counters."""
    print("#### Shares against the scheduler's trace, in points\n")
    rows = list(compare.shares(measured.outcomes))
    if rows:
        common.table(["group", "runs", "median", "largest", "beyond 5", " worst"], rows)
    else:
        print("There is no trace.\n")
    long = [o for o in measured.outcomes if o.truth and o.truth.wall > LEAST_SECONDS]
    used = [u for u in map(compare.utilisation, long) if u]
    apart = [100 * abs(said - real) for said, real in used]
    off("Utilisation against the trace", "points", apart)
    counted = [c for c in map(compare.cpu_time, measured.outcomes) if c is not None]
    off("CPU time against what the kernel counted for paceline's children", "%", counted)
    lost = [o.name for o in measured.outcomes if o.truth and o.truth.lost]
    if lost:
        print(f"Events were lost of, and not compared: {', '.join(lost)}.")
    wrong = [o.name for o in measured.outcomes if o.truth and compare.contradicted(o)]
    if wrong:
        print("Of these the trace and the kernel's own count of CPU time are more than "
              f"{100 * compare.TRACE_OFF:.0f} % apart, and nothing was compared: {', '.join(wrong)}.")
    print()


def off(what, unit, values):
    """A line of how far something is off."""
    if values:
        middle, most = common.median(values), max(values)
        print(f"{what}: off by {middle:.1f} {unit} in the median, {most:.1f} at most.")


def cost(measured):
    """What watching costs."""
    rows = []
    told = [
        o.said["observer"]["cpu_seconds"] / o.said["wall_seconds"]
        for o in measured.outcomes
        if o.said.get("wall_seconds", 0) > LEAST_SECONDS and "observer" in o.said
    ]
    counted = [
        o.own_cpu / o.said["wall_seconds"]
        for o in measured.outcomes
        if o.said.get("wall_seconds", 0) > LEAST_SECONDS
    ]
    seen = [
        o.truth.watcher_cpu / o.truth.wall
        for o in measured.outcomes
        if o.truth and o.truth.wall > LEAST_SECONDS and not o.truth.lost
    ]
    pairs = [(a, b) for _, a, b in measured.pairs if a.wall > LEAST_SECONDS]
    for title, values, what in [
        ("sampler's CPU, as it says", told, "% of one CPU"),
        ("all of paceline's CPU, as the kernel counts", counted, "% of one CPU"),
        ("the same, as the trace has it", seen, "% of one CPU"),
        (
            "the program's time with it",
            [after.wall / before.wall - 1 for before, after in pairs],
            "% more",
        ),
        (
            "CPU of both with it",
            [(after.cpu - before.cpu) / before.wall for before, after in pairs],
            "% of one CPU more",
        ),
    ]:
        if values:
            first, third = common.quartiles(values)
            rows.append(
                [title, len(values)]
                + [f"{100 * value:.2f}" for value in (common.median(values), first, third, max(values))]
                + [what]
            )
    if rows:
        print("#### Cost\n")
        common.table(["of", "runs", "median", "quartiles", "", "most", " in"], rows)


def prescriptions(measured):
    """Predicted and measured speed-ups."""
    if not measured.applied:
        return
    rows, errors, inside = [], [], 0
    for applied in measured.applied:
        error = applied.error()
        if error is not None:
            errors.append(abs(error))
            inside += applied.inside()
        rows.append(
            [
                applied.name,
                applied.model,
                applied.level,
                f"{applied.low:.2f}",
                f"{applied.point:.2f}",
                f"{applied.high:.2f}",
                common.ratio(applied.measured),
                "–" if error is None else f"{error:+.0f}",
                applied.trouble or ("yes" if applied.inside() else "**no**"),
            ]
        )
    print("#### Prescriptions, taken at their word\n")
    columns = ["program", " model", "level", "low", "predicted", "high", "measured", "error, %"]
    common.table([*columns, " in range"], rows)
    if errors:
        good = sum(error <= 15 for error in errors)
        print(f"In range: {inside} of {len(errors)}. Within 15 %: {good} of {len(errors)}; ", end="")
        print(f"off by {common.median(errors):.0f} % in the median.\n")
