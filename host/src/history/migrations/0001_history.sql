-- What runs left. For SQLite and PostgreSQL alike: times are nanoseconds since 1970-01-01 UTC, an empty bundle is none.

-- The newest link of the chain; its one row is also what writers wait for each other by.
CREATE TABLE head (
    one BIGINT PRIMARY KEY,
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO head (one, seq, hash) VALUES (1, 0, '');

-- The chain: each link carries the hash of the one before, and the digest of what it is about.
CREATE TABLE journal (
    seq BIGINT PRIMARY KEY,
    noted BIGINT NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    operator TEXT NOT NULL,
    digest TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX journal_by_subject ON journal (subject, seq);

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    bundle TEXT NOT NULL,
    task TEXT NOT NULL,
    kind TEXT NOT NULL,
    mode TEXT NOT NULL,
    operator TEXT NOT NULL,
    plugin TEXT,
    plugin_version TEXT,
    plugin_digest TEXT,
    process TEXT NOT NULL,
    started BIGINT NOT NULL,
    finished BIGINT,
    duration_us BIGINT,
    outcome TEXT NOT NULL,
    summary TEXT,
    error TEXT,
    changes BIGINT NOT NULL,
    changed_rows BIGINT NOT NULL,
    changed_bytes BIGINT NOT NULL
);
CREATE INDEX runs_by_number ON runs (number);
CREATE INDEX runs_by_start ON runs (started);
CREATE INDEX runs_by_task ON runs (task, started);
CREATE INDEX runs_under_way ON runs (process) WHERE outcome = 'running';

CREATE TABLE findings (
    run TEXT NOT NULL,
    position BIGINT NOT NULL,
    severity TEXT NOT NULL,
    subject TEXT NOT NULL,
    title TEXT NOT NULL,
    detail TEXT NOT NULL,
    remedy TEXT,
    PRIMARY KEY (run, position)
);

CREATE TABLE metrics (
    run TEXT NOT NULL,
    position BIGINT NOT NULL,
    name TEXT NOT NULL,
    subject TEXT,
    value DOUBLE PRECISION NOT NULL,
    unit TEXT NOT NULL,
    warn_low DOUBLE PRECISION,
    warn_high DOUBLE PRECISION,
    crit_low DOUBLE PRECISION,
    crit_high DOUBLE PRECISION,
    PRIMARY KEY (run, position)
);

CREATE TABLE next_actions (
    run TEXT NOT NULL,
    position BIGINT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT,
    PRIMARY KEY (run, position)
);

CREATE TABLE notices (
    run TEXT NOT NULL,
    position BIGINT NOT NULL,
    notice TEXT NOT NULL,
    PRIMARY KEY (run, position)
);

CREATE TABLE log (
    run TEXT NOT NULL,
    position BIGINT NOT NULL,
    level TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (run, position)
);

CREATE TABLE effects (
    run TEXT NOT NULL,
    position BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    capability TEXT NOT NULL,
    slot TEXT NOT NULL,
    operation TEXT NOT NULL,
    impact TEXT NOT NULL,
    target TEXT NOT NULL,
    decision TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    affected_rows BIGINT,
    affected_bytes BIGINT,
    duration_us BIGINT NOT NULL,
    PRIMARY KEY (run, position)
);

-- A warning or critical finding through time, from the run that first had it to the one that no longer did.
CREATE TABLE issues (
    id TEXT PRIMARY KEY,
    bundle TEXT NOT NULL,
    task TEXT NOT NULL,
    subject TEXT NOT NULL,
    title TEXT NOT NULL,
    severity TEXT NOT NULL,
    detail TEXT NOT NULL,
    remedy TEXT,
    first_seen BIGINT NOT NULL,
    first_run TEXT NOT NULL,
    last_seen BIGINT NOT NULL,
    last_run TEXT NOT NULL,
    runs BIGINT NOT NULL,
    resolved BIGINT,
    resolved_run TEXT
);
CREATE INDEX issues_open ON issues (bundle, task) WHERE resolved IS NULL;
CREATE INDEX issues_by_time ON issues (last_seen);
CREATE INDEX issues_by_run ON issues (resolved_run);

-- What people do, as the bundle named it, and since when.
CREATE TABLE checklist (
    bundle TEXT NOT NULL,
    title TEXT NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    PRIMARY KEY (bundle, title, kind)
);

CREATE TABLE ticks (
    id TEXT PRIMARY KEY,
    bundle TEXT NOT NULL,
    title TEXT NOT NULL,
    kind TEXT NOT NULL,
    period TEXT NOT NULL,
    ticked BIGINT NOT NULL,
    operator TEXT NOT NULL,
    note TEXT,
    undone BIGINT,
    undone_by TEXT
);
CREATE INDEX ticks_by_period ON ticks (bundle, title, period);
