"""Removing, batch by batch, and keeping count. What cannot be removed is a finding, and the rest goes on."""

import taskhost
from componentize_py_types import Err, Ok
from taskhost import counted, size
from wit_world.imports import files
from wit_world.imports.report import Unit

# Paths handed to the host at once.
BATCH = 500
# Failures that get a finding of their own.
FINDINGS = 50


class Removal:
    """What was removed so far, and what could not be."""

    def __init__(self, directory, left):
        """With `left`, the directories that this leaves empty go too."""
        self.directory = directory
        self.left = left
        self.files = 0
        self.bytes = 0
        self.failed = 0
        self.directories = 0

    async def remove(self, paths):
        for path, removed in zip(paths, await self.directory.remove(paths)):
            match removed:
                case Ok(done):
                    self.files += 1
                    self.bytes += done.bytes
                # Someone else was faster: it is gone, which is what was wanted.
                case Err(files.Error_NotFound()):
                    pass
                case Err(error):
                    self.fail(path, error)
                    continue
            if self.left is not None:
                self.left.removed(path)

    async def empty_directories(self):
        """Removes the directories that have nothing left in them."""
        emptied = self.left.emptied if self.left is not None else []
        self.left = None
        for begin in range(0, len(emptied), BATCH):
            batch = emptied[begin : begin + BATCH]
            for path, removed in zip(batch, await self.directory.remove(batch)):
                match removed:
                    case Ok(_):
                        self.directories += 1
                    # Someone put something in it, or was faster.
                    case Err(files.Error_WrongKind() | files.Error_NotFound()):
                        pass
                    case Err(error):
                        self.fail(path, error)

    def fail(self, path, error):
        if isinstance(error, files.Error_OverBudget):
            # No other would fare better.
            raise Err(error)
        self.failed += 1
        if self.failed <= FINDINGS:
            # A refusal says itself what would allow it.
            if isinstance(error, files.Error_Refused):
                remedy = "leave it out with exclude=..., or widen the grant of the slot `directory`"
            else:
                remedy = "see who owns it and its directory: the host's user must be able to write to the directory"
            taskhost.warning(path, "could not be removed", error.value, remedy)

    def report(self):
        """Sends what there is to send at the end, however the run ends."""
        if self.failed > FINDINGS:
            taskhost.warning("directory", "more could not be removed", f"{taskhost.count(self.failed)} in all")
        taskhost.metric("files_removed", self.files)
        taskhost.metric("bytes_freed", self.bytes, Unit.BYTES)
        taskhost.metric("directories_removed", self.directories)
        taskhost.metric("removals_failed", self.failed)

    def so_far(self):
        """`12 files, 3.4 MiB`."""
        return f"{counted(self.files, 'file')}, {size(self.bytes)}"
