"""The decisions of `selection`, as tables: `python3 -m unittest` in this directory."""

import itertools
import unittest

from selection import Directories, Selection


def select(keep_newest, entries):
    selection = Selection(keep_newest, 100)
    for path, modified in entries:
        selection.add(path, modified)
    old, kept = selection.finish()
    return sorted(old), kept


class WhichFilesGo(unittest.TestCase):
    def test_what_is_old_goes_and_what_was_changed_at_the_very_moment_stays(self):
        entries = [("b", 50), ("young", 100), ("a", 10), ("c/d", 99), ("before 1970", -1)]
        self.assertEqual(select(0, entries), (["a", "b", "before 1970", "c/d"], 0))

    def test_the_newest_of_each_directory_stay_however_old(self):
        entries = [("x/1", 10), ("x/2", 20), ("x/3", 30), ("y/1", 5), ("y/young", 200), ("top", 1)]
        for keep, gone, kept in [(1, ["x/1", "x/2", "y/1"], 2), (2, ["x/1"], 4), (3, [], 5)]:
            for order in (entries, reversed(entries)):
                self.assertEqual(select(keep, order), (gone, kept), keep)

    def test_of_the_same_age_the_names_decide(self):
        for entries in itertools.permutations([("b", 1), ("a", 1), ("c", 1)]):
            self.assertEqual(select(1, entries)[0], ["b", "c"])

    def test_old_files_go_in_batches_while_the_walk_goes_on(self):
        for keep_newest, certain in [(0, 5), (1, 4)]:
            selection = Selection(keep_newest, 100)
            for index in range(5):
                selection.add(str(index), index)
            self.assertEqual(len(selection.take_certain(2)), 2)
            self.assertEqual(len(selection.take_certain(2)), 2)
            self.assertIsNone(selection.take_certain(2))
            self.assertEqual(len(selection.finish()[0]), certain - 4)


class WhichDirectoriesAreLeftEmpty(unittest.TestCase):
    def test_those_that_lost_all_that_was_in_them_go_the_innermost_first(self):
        directories = Directories()
        for path in [
            "a", "a/b", "a/b/c", "a/b/c/1", "a/b/c/2", "a/b/3", "d", "d/4", "d/stays", "e", "e/link", "top", "empty",
        ]:
            directories.add(path)
        for file in ["top", "d/4", "a/b/c/1", "a/b/3", "a/b/c/2"]:
            directories.removed(file)
        self.assertEqual(directories.emptied, ["a/b/c", "a/b", "a"])

    def test_files_that_came_after_the_count_do_no_harm(self):
        directories = Directories()
        directories.add("a/1")
        for file in ["a/1", "a/late", "unseen/late"]:
            directories.removed(file)
        self.assertEqual(directories.emptied, ["a"])


if __name__ == "__main__":
    unittest.main()
