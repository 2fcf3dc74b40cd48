"""Runs README.md's section "Your first driver" as it stands there, in an empty folder."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from support import blocks, live, section

COMMANDS_MAX = 8
PORTS = (8780, 8781)  # the defaults, which the README's commands use


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class FirstDriver(unittest.TestCase):
    def test_from_an_empty_folder_to_a_loaded_board_in_at_most_eight_commands(self):
        for port in PORTS:
            self.assertTrue(is_free(port), f"port {port} is taken: end the mpyd that runs there")
        text = section("Your first driver")
        environment, commands = blocks(text, "sh")
        lines = [line for line in commands.splitlines() if line]
        self.assertLessEqual(len(lines), COMMANDS_MAX)

        folder = pathlib.Path(tempfile.mkdtemp(prefix="mpyd-readme-"))
        self.addCleanup(shutil.rmtree, folder)
        for source in blocks(text, "c"):
            path = folder / re.match(r"// (\S+)", source).group(1)
            path.parent.mkdir(parents=True)
            path.write_text(source)

        # One shell, as a reader's who pastes the whole block.
        script = f"set -e\n{environment}{commands}"
        shell = subprocess.Popen(["bash", "-c", script], cwd=folder, env=dict(os.environ, MPYD=str(live.REPO)),
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 text=True, start_new_session=True)
        try:
            said = self.read_until_exit(shell)
        finally:
            # The daemon that the reader left in the background: the shell's own process group.
            os.killpg(shell.pid, signal.SIGTERM)
            # It holds the pipe until it has ended, and with it its files.
            os.set_blocking(shell.stdout.fileno(), True)
            shell.stdout.read()
            shell.stdout.close()
        self.assertEqual(shell.returncode, 0, said)
        self.assertRegex(said, r"slot 0 +loaded relays 1\.0\.0 \(6\.3-x64\) in \d+ ms")

    def read_until_exit(self, shell):
        # The daemon keeps the pipe open, so its end is no sign; the shell's is.
        os.set_blocking(shell.stdout.fileno(), False)
        shell.wait(timeout=120)
        return shell.stdout.read() or ""


if __name__ == "__main__":
    unittest.main()
