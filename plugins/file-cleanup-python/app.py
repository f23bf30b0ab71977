"""Removes old files below a directory: the plugin `file-cleanup` once more, in Python.

It does what plugins/file-cleanup does, call for call, so that the two can be read side by side. Both pass the same cases.
"""

import time

import taskhost
from removal import BATCH, Removal
from selection import Directories, Selection
from taskhost import Parameter, Slot, counted, failure, size
from wit_world import exports
from wit_world.imports import files, report
from wit_world.imports.files import Kind

SLOTS = [
    Slot("directory", "files", ["read", "delete"], "its old files are listed and removed; links are never followed"),
]
PARAMETERS = [
    Parameter(
        "older-than",
        "duration",
        "Remove files that were last changed longer ago than this.",
        required=True,
        minimum=60,
    ),
    Parameter(
        "pattern",
        "texts",
        "Only files that match one of these globs: `*.log` at any depth, `temp/**` below a directory.",
        default=[],
    ),
    Parameter(
        "exclude",
        "texts",
        "Leave out files and directories that match one of these globs.",
        default=[],
    ),
    Parameter("larger-than", "size", "Only files of at least this size."),
    Parameter(
        "keep-newest",
        "integer",
        "In each directory keep this many of the newest matching files, however old they are.",
        default=0,
        minimum=0,
        maximum=100_000,
    ),
    Parameter(
        "remove-empty-directories",
        "boolean",
        "Also remove the directories that this leaves empty.",
        default=False,
    ),
]


class Task(exports.Task):
    def describe(self):
        return taskhost.description(
            "file-cleanup-python", "0.1.0", "removes old files, and says how many bytes that frees", PARAMETERS, SLOTS
        )

    async def run(self, arguments):
        with failure():
            return await clean(taskhost.values(PARAMETERS, arguments))


async def clean(options):
    directory = files.open("directory")
    left = await count_entries(directory) if options.remove_empty_directories else None
    with failure("`pattern` or `exclude`", invalid=files.Error_Invalid):
        entries = await taskhost.stream(directory.walk(wanted(options)))
    removal = Removal(directory, left)
    try:
        with failure(lambda: f"stopped after {removal.so_far()}"):
            walked, kept = await sweep(entries, options, removal)
    finally:
        removal.report()
    report_walk(walked, kept)
    return summary(removal, kept, walked.open)


def wanted(options):
    """What to walk over: the host leaves out the rest."""
    return taskhost.walk_filter(
        include=options.pattern,
        exclude=options.exclude,
        larger_than=options.larger_than,
        closed_only=True,
        # With newest files to keep, the young ones must be seen too: they are the newest.
        older_than=None if options.keep_newest else options.older_than,
    )


async def count_entries(directory):
    """How much there is in each directory, whatever it is and whoever it belongs to."""
    kinds = [Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.OTHER]
    entries = await taskhost.stream(directory.walk(taskhost.walk_filter(kinds=kinds)))
    directories = Directories()
    async for entry in entries:
        directories.add(entry.path)
    return directories


async def sweep(entries, options, removal):
    """Removes while it walks; returns what the walk says at its end, and how many old files are kept as the newest."""
    selection = Selection(options.keep_newest, int(time.time()) - options.older_than)
    seen = 0
    async for entry in entries:
        selection.add(entry.path, entry.modified)
        seen += 1
        if seen % BATCH == 0:
            report.progress(report.Step(seen, None, f"files looked at, {taskhost.count(removal.files)} removed"))
        if batch := selection.take_certain(BATCH):
            await removal.remove(batch)
    rest, kept = selection.finish()
    await removal.remove(rest)
    await removal.empty_directories()
    return entries.end, kept


def report_walk(walked, kept):
    for problem in walked.problems:
        taskhost.warning(
            problem.path,
            "could not be read",
            problem.message,
            "give the host's user the right to read it, or leave it out with exclude=...",
        )
    if walked.problem_count > len(walked.problems):
        taskhost.warning("directory", "more could not be read", f"{taskhost.count(walked.problem_count)} in all")
    taskhost.metric("files_kept", kept)
    taskhost.metric("files_open", walked.open)


def summary(removal, kept, open_files):
    """`removed 12 files, freed 3.4 MiB; skipped 1 open file`."""
    removed, freed = ("would remove", "freeing") if report.rehearsing() else ("removed", "freed")
    text = f"{removed} {counted(removal.files, 'file')}, {freed} {size(removal.bytes)}"
    if removal.directories > 0:
        plural = "y" if removal.directories == 1 else "ies"
        text += f"; {removed} {taskhost.count(removal.directories)} empty director{plural}"
    if kept > 0:
        text += f"; kept {counted(kept, 'old file')} as the newest"
    if open_files > 0:
        text += f"; skipped {counted(open_files, 'open file')}"
    if removal.failed > 0:
        text += f"; {taskhost.count(removal.failed)} could not be removed"
    return text
