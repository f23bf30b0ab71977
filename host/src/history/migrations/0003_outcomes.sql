-- The calendar asks what became of each task in the periods before this one.
CREATE INDEX runs_by_outcome ON runs (bundle, task, started, outcome) WHERE mode = 'perform';
