"""Stores events in SQLite, which without BEGIN makes a transaction of each."""

import os
import sqlite3
import sys

SCALE = float(os.environ.get("LAB_SCALE", "1"))

database = sqlite3.connect(os.path.join(sys.argv[1], "events.db"), isolation_level=None)
database.execute("PRAGMA synchronous = FULL")
database.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, name TEXT)")
for number in range(max(5, round(4500 * SCALE))):
    database.execute("INSERT INTO event (name) VALUES (?)", (f"event {number}",))
print(database.execute("SELECT count(*) FROM event").fetchone()[0])
