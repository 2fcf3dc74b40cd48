#!/usr/bin/python3
"""deploy/docker/Dockerfile, as far as it can be checked without a container engine."""

import pathlib
import shlex
import subprocess
import unittest

REPO = pathlib.Path(__file__).resolve().parents[3]
KNOWN = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "VOLUME", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD", "ARG", "LABEL"}


def instructions():
    """(keyword, arguments) of each instruction, lines that go on put together."""
    out, pending = [], ""
    for line in (REPO / "deploy/docker/Dockerfile").read_text().splitlines():
        if line.lstrip().startswith("#") or not line.strip():
            continue
        pending += line.rstrip("\\")
        if not line.endswith("\\"):
            keyword, _, rest = pending.partition(" ")
            out.append((keyword, rest))
            pending = ""
    if pending:
        raise AssertionError("the last instruction goes on after the end")
    return out


class Dockerfile(unittest.TestCase):
    def test_every_instruction_is_one(self):
        found = instructions()
        self.assertEqual(found[0][0], "FROM")
        self.assertLessEqual({keyword for keyword, _ in found}, KNOWN)

    def test_what_it_copies_is_there(self):
        stages = [arguments.split()[-1] for keyword, arguments in instructions() if keyword == "FROM" and " AS " in arguments]
        for keyword, arguments in instructions():
            if keyword != "COPY":
                continue
            words = arguments.split()
            with self.subTest(arguments):
                if words[0].startswith("--from="):
                    self.assertIn(words[0].removeprefix("--from="), stages)
                    continue
                for source in words[:-1]:
                    self.assertTrue((REPO / source).exists(), source)

    def test_its_commands_are_shell(self):
        for keyword, arguments in instructions():
            if keyword == "RUN":
                with self.subTest(arguments):
                    done = subprocess.run(["sh", "-n", "-c", arguments], capture_output=True, text=True)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    for word in shlex.split(arguments):
                        if word.startswith("deploy/"):
                            self.assertTrue((REPO / word).is_file(), word)

    def test_it_does_not_run_as_root(self):
        users = [arguments for keyword, arguments in instructions() if keyword == "USER"]
        self.assertEqual(users, ["mpyd"])


if __name__ == "__main__":
    unittest.main()
