"""Which files go. Pure: it is tested without a host, by test_selection.py."""

import heapq


class Selection:
    """Takes in what the walk finds, and gives out what is to be removed as soon as that is certain.

    Of each directory it holds no more than the files to keep, so that a tree of any size fits.
    """

    def __init__(self, keep_newest, before):
        """Files changed before `before`, in seconds since 1970, are old."""
        self.keep_newest = keep_newest
        self.before = before
        # Old files that go, whatever the walk still finds, with their times.
        self.certain = []
        # By directory, the newest files so far; the one that the next newer file pushes out first.
        self.newest = {}

    def add(self, path, modified):
        if self.keep_newest == 0:
            self.let_go(modified, path)
            return
        newest = self.newest.setdefault(parent(path), [])
        heapq.heappush(newest, Newest(modified, path))
        if len(newest) > self.keep_newest:
            oldest = heapq.heappop(newest)
            self.let_go(oldest.modified, oldest.path)

    def let_go(self, modified, path):
        """A file that is not among those to keep: it goes if it is old."""
        if modified < self.before:
            self.certain.append((modified, path))

    def take_certain(self, count):
        """`count` files to remove, when there are as many by now; among them the oldest first."""
        if len(self.certain) < count:
            return None
        batch, self.certain = self.certain[:count], self.certain[count:]
        return oldest_first(batch)

    def finish(self):
        """After the walk: the rest of the files to remove, and how many old ones are kept as the newest."""
        kept = sum(file.modified < self.before for newest in self.newest.values() for file in newest)
        return oldest_first(self.certain), kept


class Newest:
    """Ordered by its time; of the same second by its name, the first one last.

    So a rehearsal and the run agree whatever order they walk in.
    """

    __slots__ = ("modified", "path")

    def __init__(self, modified, path):
        self.modified = modified
        self.path = path

    def __lt__(self, other):
        return (self.modified, other.path) < (other.modified, self.path)


def oldest_first(files):
    """The paths, by age and then by name: a budget that is spent half-way spares the younger ones."""
    return [path for _, path in sorted(files)]


class Directories:
    """How much is in each directory, to see which ones the removal leaves empty.

    To try all that lost a file would fill the plan with directories that are not.
    """

    def __init__(self):
        self.entries = {}
        # Each after what lies in it.
        self.emptied = []

    def add(self, path):
        """Takes in an entry of any kind, before anything is removed."""
        directory = parent(path)
        if directory:
            self.entries[directory] = self.entries.get(directory, 0) + 1

    def removed(self, path):
        """Takes in a file that was removed."""
        while (directory := parent(path)) in self.entries:
            self.entries[directory] -= 1
            if self.entries[directory] > 0:
                return
            # Empty, it goes as well, out of the one that it lies in.
            del self.entries[directory]
            self.emptied.append(directory)
            path = directory


def parent(path):
    """The directory that a path lies in; an empty text for the root's own entries."""
    return path.rpartition("/")[0]
