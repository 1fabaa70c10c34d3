"""Takes a prescription at its word: runs the program as prescribed, and compares the speed-ups."""

from dataclasses import dataclass

# A level beyond what any of the programs has work for.
MOST = 1000


@dataclass
class Applied:
    """What came of one prescription."""

    name: str
    model: str
    level: int
    low: float
    point: float
    high: float
    measured: float | None  # how many times faster it was
    trouble: str = ""

    def inside(self):
        """Whether the measured speed-up lies in the predicted range, with 5 % for the clock."""
        return self.measured is not None and self.low * 0.95 <= self.measured <= self.high * 1.05

    def error(self):
        """By how many percent the prediction differs from what was measured."""
        return None if self.measured is None else 100 * (self.point / self.measured - 1)


def apply(outcome, program, ready, runner):
    """Runs a program as it is and as `outcome` prescribes."""
    said = outcome.said.get("prescription")
    if not said:
        return None
    speedup = said["speedup"]
    applied = Applied(
        program.name,
        said["model"],
        said["level"],
        speedup["low"],
        speedup["point"],
        speedup["high"],
        None,
    )
    command = program.variants.get(applied.model)
    if command is None:
        ready_ones = ", ".join(program.variants)
        applied.trouble = f"there is a variant for {ready_ones}"
        return applied
    level = min(max(applied.level, 1), MOST)
    before = runner.timed(ready.argv, ready)
    after = runner.timed(ready.variant(command, level), ready)
    if before is None or after is None:
        applied.trouble = "it fails without paceline" if before is None else "the variant fails"
    else:
        applied.measured = before.wall / after.wall
    return applied
