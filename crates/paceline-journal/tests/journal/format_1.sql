-- The tables as the first version of the format had them, with one finished run.
CREATE TABLE runs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    template_key  BLOB    NOT NULL,
    template      TEXT    NOT NULL,
    directory     BLOB    NOT NULL,
    host          TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    touched_at    INTEGER NOT NULL,
    packed        INTEGER NOT NULL,
    done          INTEGER NOT NULL DEFAULT 0,
    failed        INTEGER NOT NULL DEFAULT 0,
    inputs_done   INTEGER NOT NULL DEFAULT 0,
    inputs_failed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX runs_by_template ON runs (template_key);
CREATE INDEX runs_by_touch    ON runs (touched_at);

CREATE TABLE sessions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    run         INTEGER NOT NULL,
    pid         INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    exit_code   INTEGER,
    wall_us     INTEGER,
    final_level INTEGER,
    max_level   INTEGER,
    decisions   TEXT,
    total       INTEGER,
    skipped     INTEGER
);
CREATE INDEX sessions_by_run ON sessions (run);

CREATE TABLE jobs (
    id             INTEGER PRIMARY KEY,
    run            INTEGER NOT NULL,
    session        INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    key            BLOB,
    args           BLOB    NOT NULL,
    state          INTEGER NOT NULL,
    exit           INTEGER,
    signal         INTEGER,
    timed_out      INTEGER NOT NULL,
    started_at     INTEGER NOT NULL,
    wall_us        INTEGER NOT NULL,
    user_us        INTEGER NOT NULL,
    sys_us         INTEGER NOT NULL,
    peak_rss_bytes INTEGER NOT NULL,
    attempts       INTEGER NOT NULL,
    bytes_out      INTEGER NOT NULL,
    stderr_tail    BLOB,
    note           TEXT
);
CREATE INDEX jobs_by_run  ON jobs (run);
CREATE INDEX failed_by_run ON jobs (run) WHERE state = 1;

CREATE TABLE open_failures (
    run     INTEGER NOT NULL,
    key     BLOB    NOT NULL,
    job     INTEGER NOT NULL,
    place   INTEGER NOT NULL,
    session INTEGER NOT NULL,
    PRIMARY KEY (run, key, job, place)
) WITHOUT ROWID;
CREATE INDEX open_failures_by_job ON open_failures (job);

CREATE TABLE doomed (run INTEGER PRIMARY KEY);

PRAGMA application_id = 0x70616365;
PRAGMA user_version = 1;
INSERT INTO runs VALUES (1, x'00112233445566778899aabbccddeeff', 'convert {}', CAST('/data' AS BLOB), 'alpha',
    1700000000000000, 1700000009000000, 0, 1, 1, 1, 1);
INSERT INTO sessions VALUES (1, 1, 42, 1700000001000000, 1700000009000000, 1, 8000000, 8, 16,
    '[]', 2, 0);
INSERT INTO jobs VALUES (1, 1, 1, 1, x'01', CAST('a.png' AS BLOB), 0, 0, NULL, 0, 1700000002000000, 1500, 700,
    300, 4194304, 1, 12, NULL, NULL);
INSERT INTO jobs VALUES (2, 1, 1, 2, x'02', CAST('b.png' AS BLOB), 1, 1, NULL, 0, 1700000003000000, 1500, 700,
    300, 4194304, 1, 0, CAST('no' AS BLOB), NULL);
INSERT INTO open_failures VALUES (1, x'02', 2, 0, 1);
