"""A grid search that starts a process per model, each of which has a pool of its own for its folds."""

import multiprocessing
import os

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def fold(seed):
    weight = seed + 0.5
    for n in range(round(2_000_000 * SCALE)):
        weight += 0.001 * ((n & 7) - weight)
    return weight


def model(number, results):
    with multiprocessing.Pool(6) as pool:
        results.put(sum(pool.map(fold, range(number, number + 12), chunksize=1)))


def main():
    results = multiprocessing.SimpleQueue()
    models = [multiprocessing.Process(target=model, args=(n, results)) for n in range(4)]
    for process in models:
        process.start()
    scores = [results.get() for _ in models]
    for process in models:
        process.join()
    print(round(sum(scores), 3))


if __name__ == "__main__":
    main()
