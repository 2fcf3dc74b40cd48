#!/usr/bin/python3
"""README.md beside this file is true: every row is there, names tests that exist, and forgets none."""

import pathlib
import re
import unittest

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parents[1]
IDS = [f"A{number:02}" for number in range(1, 43)]
ROW = re.compile(r"^\| (A\d\d) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
# A test's name, or the name of a case in a table of one: TEST_CASE("A01 ..."), {"A01 ...", def test_a01_...
NAMED = re.compile(r'"((?:A\d\d )+)|def test_((?:[aA]\d\d_)+)')


def tests_with_ids():
    """Test file -> the ids in the names of its tests."""
    out = {}
    for path in sorted((REPO / "tests").rglob("*")):
        if path.suffix not in (".cpp", ".py") or HERE / "table_test.py" == path:
            continue
        for match in NAMED.finditer(path.read_text()):
            ids = re.findall(r"A\d\d", (match[1] or match[2]).upper())
            out.setdefault(str(path.relative_to(REPO)), set()).update(ids)
    return out


class Table(unittest.TestCase):
    def setUp(self):
        text = (HERE / "README.md").read_text()
        self.rows = {row[0]: row[1:] for row in ROW.findall(text)}
        self.files = {row: set(re.findall(r"`([^`]+_test\.(?:py|cpp))`", columns[1])) for row, columns in self.rows.items()}

    def test_every_row_is_there_once_and_in_order(self):
        text = (HERE / "README.md").read_text()
        self.assertEqual([row[0] for row in ROW.findall(text)], IDS)

    def test_every_row_has_a_test_or_a_reason(self):
        for row, files in self.files.items():
            if not files:
                self.assertRegex(self.rows[row][1], r"not applicable: \w+|open: ", row)

    def test_the_tests_named_are_there_and_none_is_forgotten(self):
        found = tests_with_ids()
        for row in IDS:
            having = {name.removeprefix("tests/") for name, ids in found.items() if row in ids}
            self.assertEqual(self.files[row], having, row)

    def test_the_error_codes_are_codes(self):
        codes = set(re.findall(r"^  (\w+) = \d+,", (REPO / "protocol/errc.hpp").read_text(), re.MULTILINE))
        for row in IDS:
            named = set(re.findall(r"`(\w+)`", self.rows[row][2]))
            self.assertLessEqual(named, codes, row)


if __name__ == "__main__":
    unittest.main(verbosity=2)
