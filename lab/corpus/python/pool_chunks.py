"""Renders frames on a pool of two, a pool.map per scene with the frames in two chunks; the second
half of a scene is the crowded one, so that one process works and the other waits."""

import multiprocessing
import os

SCALE = float(os.environ.get("LAB_SCALE", "1"))
FRAMES = 12


def render(frame):
    objects = 3 if frame >= FRAMES // 2 else 1
    shade = 0.0
    for n in range(objects * 55_000):
        shade += (n * frame % 7) * 0.5
    return shade


if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        scenes = [
            pool.map(render, range(FRAMES), chunksize=FRAMES // 2)
            for _ in range(max(1, round(36 * SCALE)))
        ]
    print(sum(map(sum, scenes)))
