"""Suggests words for misspelt ones. The search is plain Python, and asyncio.to_thread has several
of them at a time."""

import asyncio
import difflib
import itertools
import os

SCALE = float(os.environ.get("LAB_SCALE", "1"))
SYLLABLES = ["ba", "ker", "lin", "mo", "ra", "sten", "ti", "vo"]
WORDS = ["".join(parts) for parts in itertools.product(SYLLABLES, repeat=4)]


def misspelt(number):
    word = WORDS[number * 37 % len(WORDS)]
    return word[1] + word[0] + word[2:] + "e" * (number % 2)


def suggest(word):
    return difflib.get_close_matches(word, WORDS, n=3, cutoff=0.7)


async def main():
    words = [misspelt(number) for number in range(max(4, round(250 * SCALE)))]
    found = await asyncio.gather(*(asyncio.to_thread(suggest, word) for word in words))
    print(sum(map(len, found)), "suggestions")


asyncio.run(main())
