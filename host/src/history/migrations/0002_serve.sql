-- What `host serve` must know after a restart, and who told it what.

-- The process that serves a bundle: one at a time.
CREATE TABLE serving (
    bundle TEXT PRIMARY KEY,
    process TEXT NOT NULL
);

-- How far a task's due times were seen to, and what still waits: the scheduler's own words, as JSON.
CREATE TABLE schedule (
    bundle TEXT NOT NULL,
    task TEXT NOT NULL,
    past TEXT NOT NULL,
    PRIMARY KEY (bundle, task)
);

-- What people were told last of a task, by which channel: they are told when that changes.
CREATE TABLE told (
    bundle TEXT NOT NULL,
    channel TEXT NOT NULL,
    task TEXT NOT NULL,
    level TEXT NOT NULL,
    PRIMARY KEY (bundle, channel, task)
);

-- What people and the host itself did about runs: paused, resumed, asked for, cancelled, left out.
CREATE TABLE events (
    id TEXT PRIMARY KEY,
    bundle TEXT NOT NULL,
    noted BIGINT NOT NULL,
    operator TEXT NOT NULL,
    what TEXT NOT NULL,
    task TEXT,
    run TEXT,
    detail TEXT NOT NULL
);
CREATE INDEX events_by_time ON events (bundle, noted);

-- The page asks for the newest runs of one bundle.
CREATE INDEX runs_by_bundle ON runs (bundle, number);
CREATE INDEX runs_by_bundle_task ON runs (bundle, task, number);
CREATE INDEX runs_by_bundle_outcome ON runs (bundle, outcome, number);
CREATE INDEX runs_rehearsed ON runs (bundle, number) WHERE mode = 'rehearse';
-- And for what was done about one task.
CREATE INDEX events_by_task ON events (bundle, task, noted);
