"""Help reads as one voice: every command of mpyd is asked for its help, and its shape is checked."""

import re
import shlex
import unittest

from support import CliTest

COLUMNS = 100
# What the first lines begin with: they tell mpyd what to do.
VERBS = set("""Allow Approve Build Change Check Copy Decide Fetch Find Forbid Forget Hold Let List Load Make Offer Print Provision Replace
               Run Say Send Show Sign Take Tell Upload Write""".split())


def commands_of(text):
    """The commands that help lists, under whatever headings."""
    found = []
    heading = None
    for line in text.splitlines():
        if line and not line.startswith(" "):
            heading = line
        elif heading and heading not in ("Options:", "Arguments:") and re.match(r"  [a-z]", line) and heading.endswith(":") \
                and not heading.startswith("Example"):
            found.append(line.split()[0])
    return found


def options_of(text):
    """Its own options; a group of them may have a heading of its own."""
    return set(re.findall(r"--[a-z][a-z-]*", "\n".join(line for line in text.splitlines() if re.match(r"  -", line))))


def examples_of(text):
    """The commands behind Example: or Examples:, each in words, without what a shell adds."""
    joined = re.split(r"\nExamples?:\n", text + "\n")[-1].replace("\\\n", " ")
    for line in joined.splitlines():
        if line.startswith("  mpyd "):
            words = shlex.split(line, comments=True)
            yield words[:next((i for i, word in enumerate(words) if word in (">", "<", "|")), len(words))]


class Help(CliTest):
    def walk(self, path=()):
        text = self.run_ok(*path, "--help").stdout
        yield path, text
        for name in commands_of(text):
            yield from self.walk((*path, name))

    def test_every_command_has_help_of_the_same_shape(self):
        seen = 0
        # They may stand behind any command.
        self.common = options_of(self.run_ok("--help").stdout)
        for path, text in self.walk():
            seen += 1
            with self.subTest("mpyd " + " ".join(path)):
                lines = text.splitlines()
                for line in lines:
                    self.assertLessEqual(len(line), COLUMNS, line)
                    self.assertEqual(line, line.rstrip(), "a blank at the end of a line")
                self.assertNotRegex(text, r"REQUIRED|\(Env:|UINT|INT in|Excludes:|Needs:", "what the parser says by itself")
                self.assertNotRegex(text, r"\n  -\S+ TEXT", "an option whose value has no name")
                if path:
                    self.check_first_line(lines[0])
                    self.assertEqual(lines[1].split(" [")[0].split(" COMMAND")[0].split()[:len(path) + 2],
                                     ["Usage:", "mpyd", *path], lines[1])
                if path and not (commands_of(text) and "COMMAND --help" in text):
                    self.check_examples(path, text)
        self.assertGreater(seen, 50)

    def check_first_line(self, line):
        self.assertIn(line.split()[0].rstrip(","), VERBS, f"not imperative, or a verb that is new here: {line}")
        self.assertFalse(line.endswith("."), line)

    def check_examples(self, path, text):
        examples = list(examples_of(text))
        self.assertTrue(examples, "no example")
        for words in examples:
            self.assertEqual(words[:len(path) + 1], ["mpyd", *path], words)
            for word in words:
                if word.startswith("--"):
                    self.assertIn(word, options_of(text) | self.common, f"the example has {word}, the command has not")
        # What must be given is given in one of them.
        required = [line.split()[0].split(",") for line in text.splitlines()
                    if line.startswith("  --") and "[required" in self.described(text, line)]
        for names in required:
            self.assertTrue(any(name in words for words in examples for name in names), f"no example gives {names}")

    @staticmethod
    def described(text, line):
        """An option's line and those that go on with it."""
        lines = text.splitlines()
        at = lines.index(line)
        out = [line]
        for more in lines[at + 1:]:
            if not more.startswith(" " * 10):
                break
            out.append(more.strip())
        return " ".join(out)

    def test_commands_are_grouped_by_who_needs_them(self):
        text = self.run_ok("--help").stdout
        headings = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
        self.assertEqual(headings, ["Options:", "Run a server:", "Publish drivers and make boards:", "Operate a fleet:",
                                    "Find what is published:", "Log in and get help:"])
        self.assertNotIn("Commands:", headings, "a command stands in no group of help.cpp")
        self.assertIn("Exit codes: 0 ok", text)


if __name__ == "__main__":
    unittest.main()
