"""Runs README.md's section "Boards people own" as it stands there, and looks at the boards it made."""

import unittest

import support


class Boards(support.Reader):
    def test_the_batch_of_the_section_is_built_labelled_and_identified(self):
        said = self.paste(support.named_blocks(support.section("Boards people own"))["boards"])
        labels = [line.split("\t") for line in (self.folder / "labels.tsv").read_text().splitlines()]
        self.assertEqual(len(labels), 3)
        for path, hardware_id, _, serial in labels:
            self.assertEqual(hardware_id, "hat:Acme:0001")
            self.assertEqual((self.folder / path).stat().st_size, 8192)
            self.assertIn(serial, said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
