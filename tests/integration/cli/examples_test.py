"""Every example of every --help is run as it is printed, in one folder, in the order of one story, against a real daemon."""

import json
import os
import re
import shutil
import subprocess
import unittest

from help_test import commands_of
from support import HARDWARE_ID, CliTest, driver, live

# Where the examples live is elsewhere in a test; everything else of them stays as it is printed.
ELSEWHERE = ("/var/lib/mpyd", "/media/usb", "https://drivers.example:8781", "192.0.2.10:8780")
# They need a real bus; eeprom_device_test has one. A server does not end: run by hand below.
NOT_RUN = {"mpyd eeprom read", "mpyd eeprom write", "mpyd eeprom verify", "mpyd serve"}
# The story: what makes a thing comes before what uses it. A name behind a colon is a step of Examples, before the example.
STORY = """
init token.rescue doctor backup restore:a_backup_is_here
keygen trust.delegate trust.show token.create token.list token.revoke trust.fleet-key trust.rotate.fleet
pack:drivers_are_built publish inspect search diff:a_second_release info pull eeprom.build:a_folder_for_images eeprom.identify
release.list release.yank release.unyank release.deprecate
device.provision device.list:a_motherboard_goes_down device.show explain inventory stats device.try-again
device.approve:another_one_waits device.pin device.unpin device.move device.replace:a_second_device device.revoke
trust.approve trust.pin trust.refuse:nothing_refused trust.floor:lifted trust.renew trust.export trust.revoke:a_thief
trust.rotate.server trust.rotate.targets:more_keys trust.restore trust.sign:a_draft trust.import trust.rotate.root
audit audit.head audit.verify login whoami config.show logout completion:bash_completion_is_there man reference
"""


def examples_of(text):
    """The lines behind Example: as a shell gets them."""
    lines = re.split(r"\nExamples?:\n", text)[1].split("\n\n")[0]
    return [line.strip() for line in lines.replace("\\\n", " ").splitlines()]


class Examples(CliTest):
    def setUp(self):
        super().setUp()
        self.server = live.Server(self.folder).start()
        self.addCleanup(self.server.stop)
        self.here = self.server.keys  # root.mpyd, targets.key, root.key and admin.token are there
        (self.folder / "usb").mkdir()
        (self.folder / "config").mkdir()
        self.write("passphrase", "correct horse\n")
        shutil.copy(self.server.token_file, self.here / "token")

    def write(self, name, text):
        (self.here / name).write_text(text)
        (self.here / name).chmod(0o600)

    def shell(self, line):
        is_of_the_daemon = ELSEWHERE[0] not in line  # and not of the server that the example of init makes
        line = line.replace(ELSEWHERE[0], str(self.folder / "var")).replace(ELSEWHERE[1], str(self.folder / "usb"))
        line = line.replace(ELSEWHERE[2], self.server.url).replace(ELSEWHERE[3], f"127.0.0.1:{self.server.port}")
        if "DIGEST" in line:
            line = line.replace("DIGEST", self.digest())
        environment = dict(os.environ, PATH=f"{live.MPYD.parent}:{os.environ['PATH']}", HOME=str(self.folder),
                           XDG_CONFIG_HOME=str(self.folder / "config"), MPYD_PROFILE="")
        if is_of_the_daemon and "--profile" not in line:  # which brings its own
            environment.update(MPYD_SERVER=self.server.url, MPYD_TOKEN_FILE=str(self.server.token_file))
        done = subprocess.run(["bash", "-ec", line], input="y\n" * 8 if "<" not in line else None, cwd=self.here, env=environment,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout}{done.stderr}")
        return done.stdout

    def digest(self):
        releases = json.loads(self.server.admin("release", "list", "--json").stdout)["releases"]
        return releases[0]["variants"][0]["digest"]

    # What an example finds in its folder that no other one made.

    def a_backup_is_here(self):
        (self.folder / "usb/mpyd.backup").rename(self.here / "mpyd.backup")
        shutil.rmtree(self.folder / "var")

    def drivers_are_built(self):
        (self.here / "thermo/any").mkdir(parents=True)
        for path in ("thermo/any/thermo.mpy", "thermo.mpy"):
            shutil.copy(driver(), self.here / path)

    def a_second_release(self):
        self.server.publish(driver(version="1.1.0"), version="1.1.0", publisher=self.here / "thermo.key")
        (self.here / "old").mkdir()
        shutil.copy(self.here / "thermo-1.0.0-6-any.mpkg", self.here / "old")

    def a_folder_for_images(self):
        (self.here / "images").mkdir()

    def motherboard(self, name, identity):
        board = live.Motherboard(self.folder / name, identity, sync_interval_ms=200, retry_max_ms=200)
        self.addCleanup(lambda: board.process and board.kill())
        return board

    def a_motherboard_goes_down(self):
        """Three times right after it loaded the driver of slot 2, which is then quarantined."""
        board = self.motherboard("bench-1", self.here / "identity")
        board.plug(2, self.here / "thermo.eep", sensor_mdeg=21500)
        for _ in range(3):
            board.start().wait_event("loaded", slot=2)
            board.kill()
        board.start().wait_event("refused", slot=2)
        board.wait_event("synced", count=board.count("synced") + 2)  # so that the server heard of it
        board.stop()

    def another_one_waits(self):
        self.server.admin("device", "provision", "--fleet", "--name", "hall", "--uses", 1, "--approve", "--out", self.folder / "hall", "--root",
                          self.server.root, "--device-server", f"127.0.0.1:{self.server.port}")
        board = self.motherboard("hall-1", self.folder / "hall").start()
        live.wait_for("a device that waits", lambda: json.loads(self.server.admin("device", "list", "--waiting", "--json").stdout)["devices"])
        board.stop()

    def a_second_device(self):
        self.server.provision("bench-2", self.folder / "identity-2")

    def nothing_refused(self):
        self.shell(f"mpyd trust approve --any --hardware-id {HARDWARE_ID} --key targets.key --root root.mpyd")

    def lifted(self):
        self.shell(f"mpyd trust refuse --lift --hardware-id {HARDWARE_ID} --key targets.key --root root.mpyd")

    def a_thief(self):
        self.shell("mpyd keygen --role publisher --out stolen.key")

    def more_keys(self):
        self.shell("mpyd keygen --role targets --out targets-2.key && mpyd keygen --role root --out root-2.key")

    def a_draft(self):
        self.shell("mpyd trust renew --key targets-2.key --root root.mpyd --out draft.mpyd")

    def bash_completion_is_there(self):
        (self.folder / ".local/share/bash-completion/completions").mkdir(parents=True)

    def test_every_example_runs_as_it_is_printed(self):
        helps = {}

        def walk(path):
            text = live.mpyd(*path, "--help").stdout
            below = commands_of(text)
            if re.search(r"\nExamples?:\n", text):
                helps[" ".join(("mpyd", *path))] = text
            for name in below:
                walk((*path, name))

        walk(())
        steps = [step.partition(":") for step in STORY.split()]
        told = ["mpyd " + name.replace(".", " ") for name, _, _ in steps]
        self.assertEqual(sorted(told + list(NOT_RUN)), sorted(helps), "a command whose example stands at no place of the story")
        for command, (_, _, preparation) in zip(told, steps):
            if preparation:
                getattr(self, preparation)()
            for example in examples_of(helps[command]):
                if "/dev/i2c" in example:
                    continue
                with self.subTest(example):
                    self.shell(example)


if __name__ == "__main__":
    unittest.main()
