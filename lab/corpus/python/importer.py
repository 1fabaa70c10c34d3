"""Imports rows into SQLite with a commit for each."""

import os
import sqlite3
import sys

SCALE = float(os.environ.get("LAB_SCALE", "1"))


def main():
    path = os.path.join(sys.argv[1], "import.db")
    if os.path.exists(path):
        os.remove(path)
    database = sqlite3.connect(path)
    database.execute("PRAGMA synchronous = EXTRA")
    database.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, name TEXT, value REAL)")
    for number in range(max(5, round(3000 * SCALE))):
        database.execute("INSERT INTO event VALUES (?, ?, ?)", (number, f"n{number}", number / 7))
        database.commit()
    print(database.execute("SELECT count(*) FROM event").fetchone()[0])
    database.close()


main()
