"""Real files to compress: copies of what a machine has anyway."""

import os
import shutil


def gather(source, into, most):
    """Copies up to `most` regular files that are not compressed yet, with their folders."""
    copied = size = 0
    for folder, folders, names in os.walk(source):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.endswith(".gz") or os.path.islink(path) or not os.path.isfile(path):
                continue
            if copied == most:
                return copied, size
            copy = os.path.join(into, os.path.relpath(path, source))
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copyfile(path, copy)
            copied += 1
            size += os.path.getsize(copy)
    return copied, size


def compressed(corpus):
    """The paths of all compressed files, sorted."""
    return sorted(
        os.path.join(folder, name)
        for folder, _, names in os.walk(corpus)
        for name in names
        if name.endswith(".gz")
    )
