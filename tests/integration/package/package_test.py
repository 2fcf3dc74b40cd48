#!/usr/bin/python3
"""The Debian package, from its making to its purging, on a copy of this machine that leaves nothing behind.

The copy is this machine's file system below a layer in memory, with a network of its own; so the default ports are free,
and whatever dpkg does is gone at the end. It needs root, or sudo. The package is upgraded to the next version, whose binary
(mpyd_next of build/dev) has a newer schema.
"""

import configparser
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/live"))
import live  # noqa: E402

UNIT = "/usr/lib/systemd/system/mpyd.service"
DATA = "/var/lib/mpyd"
SETTINGS = "/etc/mpyd/server.toml"
# What starts before everything else on a real machine stays out: it would set up this one.
ALONE = "[Unit]\nDefaultDependencies=no\n"
# Runs as root beside the service, whose output it keeps.
PROBE = """[Unit]
DefaultDependencies=no
Wants=systemd-journald.service
[Service]
Type=oneshot
StandardOutput=file:/srv/probe.out
StandardError=inherit
ExecStart=/bin/sh -c 'systemctl start mpyd && python3 /srv/ask.py; systemctl stop mpyd; systemctl status --no-pager mpyd; echo; echo END'
"""
ASK = """import time, urllib.request
for attempt in range(100):
    try:
        print("readyz", urllib.request.urlopen("http://127.0.0.1:8781/readyz").status, flush=True)
        break
    except OSError:
        time.sleep(0.1)
"""
# Processes, mounts and control groups of its own; a root that is no chroot, which may have user namespaces.
BOOT = """set -e
cd "$1"
mount -t proc proc proc
mount --bind -o ro proc/sys proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mkdir -p srv/outside
pivot_root . srv/outside
umount -l /srv/outside
exec env -i container=test PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --unit=probe.service --show-status=no
"""
# `def attach(board): return board`, by mpy-cross.
BYTECODE = bytes.fromhex("4d06001f040008642e7079000f0c617474616368000a626f617264004c00020132001602516301380906020320b063")

scratch = None
packages = []  # the package, and that of the next version


def run(*args, check=True, timeout_s=60):
    done = subprocess.run([str(arg) for arg in args], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout_s)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, args))} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def make_packages():
    out = scratch / "packages"
    run("cpack", "--config", live.BUILD / "dev/CPackConfig.cmake", "-B", out, timeout_s=None)
    first, = out.glob("mpyd_*.deb")
    tree = scratch / "next"
    run("dpkg-deb", "-R", first, tree)
    control = tree / "DEBIAN/control"
    text, changed = re.subn(r"(?m)^Version: .*$", lambda match: match[0] + "+next", control.read_text())
    if changed != 1:
        raise AssertionError(control.read_text())
    control.write_text(text)
    shutil.copy(live.BUILD / "dev/tests/mpyd_next", tree / "usr/bin/mpyd")
    second = scratch / "next.deb"
    run("dpkg-deb", "-Zgzip", "--root-owner-group", "-b", tree, second)
    return [first, second]


def setUpModule():
    global scratch
    scratch = live.temporary_folder()
    unittest.addModuleCleanup(shutil.rmtree, scratch)
    packages.extend(make_packages())


def field(deb, name):
    return run("dpkg-deb", "-f", deb, name).stdout.strip()


class Contents(unittest.TestCase):
    def test_what_is_in_it_and_for_whom(self):
        files = {}
        for line in run("dpkg-deb", "-c", packages[0]).stdout.splitlines():
            mode, owner, _, _, _, name = line.split(None, 5)
            files[name.removeprefix(".")] = mode
            self.assertEqual(owner, "root/root", line)
            self.assertNotEqual(mode[8], "w", line)
        for name, mode in (("/usr/bin/mpyd", "-rwxr-xr-x"), (UNIT, "-rw-r--r--"), (SETTINGS, "-rw-r--r--"),
                           ("/usr/share/doc/mpyd/README.md", "-rw-r--r--"), ("/usr/share/doc/mpyd/server.md", "-rw-r--r--"),
                           ("/usr/share/doc/mpyd/schema/openapi.yaml", "-rw-r--r--"),
                           ("/usr/share/doc/mpyd/examples/nginx.conf", "-rw-r--r--"), ("/usr/share/man/man1/mpyd.1", "-rw-r--r--"),
                           ("/usr/share/bash-completion/completions/mpyd", "-rw-r--r--"),
                           ("/usr/share/zsh/vendor-completions/_mpyd", "-rw-r--r--"),
                           ("/usr/share/fish/vendor_completions.d/mpyd.fish", "-rw-r--r--")):
            self.assertEqual(files.get(name), mode, name)
        conffiles = [name for name in files if name.startswith("/etc/") and not name.endswith("/")]
        self.assertEqual(run("dpkg-deb", "-I", packages[0], "conffiles").stdout.split(), conffiles)
        self.assertFalse([name for name in files if name.startswith("/var") or name.endswith((".key", ".token"))])

    def test_its_settings_are_all_there_are_and_all_of_them_are_taken(self):
        settings = scratch / "server.toml"
        said = (live.REPO / "deploy/systemd/server.toml").read_text()
        settings.write_text(re.sub(r"(?m)^#(?=[a-z-]+ = )", "", said))
        settings.chmod(0o644)
        shown = json.loads(live.mpyd("serve", "--config", settings, "--print-config", "--json").stdout)["settings"]
        for setting in shown:
            self.assertTrue(setting["origin"].startswith(str(settings)), setting)
        settings.write_text(said)
        shown = json.loads(live.mpyd("serve", "--config", settings, "--print-config", "--json").stdout)["settings"]
        self.assertEqual([(s["name"], s["value"]) for s in shown if s["origin"].startswith(str(settings))], [("data", DATA)])

    def test_what_it_says_of_itself(self):
        self.assertEqual(field(packages[0], "Package"), "mpyd")
        self.assertRegex(field(packages[0], "Version"), r"^\d+\.\d+\.\d+")
        depends = field(packages[0], "Depends")
        for library in ("libc6", "libsodium", "libsqlite3", "libprotobuf", "libssl", "adduser"):
            self.assertIn(library, depends)
        run("dpkg", "--compare-versions", field(packages[0], "Version"), "lt", field(packages[1], "Version"))


class Machine:
    """This machine's file system with a layer of memory above it."""

    def __init__(self, folder):
        self.root = folder / "root"
        layer = folder / "layer"
        layer.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=1g", "mpyd-test", layer)
        for path in (layer / "upper", layer / "work", self.root):
            path.mkdir()
        run("mount", "-t", "overlay", "-o", f"lowerdir=/,upperdir={layer}/upper,workdir={layer}/work", "overlay", self.root)
        run("mount", "-t", "proc", "proc", self.root / "proc")
        run("mount", "--bind", "/dev", self.root / "dev")
        run("mount", "-t", "tmpfs", "tmpfs", self.root / "run")
        run("mount", "-t", "tmpfs", "tmpfs", self.root / "tmp")
        self.work = self.root / "tmp/work"
        self.work.mkdir()
        self.layers = [self.root, layer]

    def path(self, name):
        return self.root / name.lstrip("/")

    def command(self, *args, user=None):
        """Inside; for a user, as systemd starts a service: without groups, capabilities, or a way to any."""
        drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
                "--no-new-privs"] if user else []
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "HOME=/root"]
        return ["chroot", str(self.root), *clean, *drop, *map(str, args)]

    def run(self, *args, user=None, check=True, env=()):
        return run(*self.command(*(["env", *env] if env else []), *args, user=user), check=check)

    def install(self, deb):
        shutil.copy(deb, self.root / "tmp")
        return self.run("dpkg", "-i", f"/tmp/{deb.name}")

    def purge(self):
        return self.run("dpkg", "-P", "mpyd")

    def mpyd(self, *args):
        return self.run("/usr/bin/mpyd", *args, env=["MPYD_TOKEN_FILE=/srv/mpyd-keys/admin.token"])

    def close(self):
        for layer in self.layers:
            run("umount", "--recursive", "--lazy", layer, check=False)


class ControlGroup:
    """An empty one, for a systemd to be its root; gone at the end with all below it."""

    def __init__(self, machine):
        self.mount = pathlib.Path(tempfile.mkdtemp(dir=scratch))
        run("mount", "-t", "cgroup2", "cgroup2", self.mount)
        self.path = self.mount / f"mpyd-test-{machine.root.parent.name}"
        self.path.mkdir()

    def enter(self):
        (self.path / "cgroup.procs").write_text("0")

    def close(self):
        live.wait_for("its processes to end", lambda: "populated 0" in (self.path / "cgroup.events").read_text())
        run("find", self.path, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";")
        run("umount", self.mount)


class Service:
    """What systemd makes of the installed unit, as far as it can be made without it."""

    def __init__(self, machine):
        self.machine = machine
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str
        unit.read(machine.path(UNIT))
        self.user = unit["Service"]["User"]
        self.command = unit["Service"]["ExecStart"].split()
        self.condition = unit["Unit"]["ConditionPathExists"]
        self.hopeless = [int(code) for code in unit["Service"]["RestartPreventExitStatus"].split()]
        self.log = scratch / "service.log"
        self.process = None

    def would_start(self):
        return self.machine.path(self.condition).exists()

    def launch(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.machine.command(*self.command, user=self.user), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)

    def start(self):
        self.launch()
        info = self.machine.path(f"{DATA}/serve.json")
        live.wait_for("the service", lambda: self.process.poll() is not None or (info.exists() and info.read_text().endswith("\n")))
        if self.process.poll() is not None:
            raise AssertionError(self.log.read_text())
        return json.loads(info.read_text())

    def fail(self):
        """What it says when it cannot start."""
        self.launch()
        code = self.process.wait(timeout=30)
        self.process = None
        return code, self.log.read_text()

    def stop(self):
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        self.process = None
        return code


class Life(unittest.TestCase):
    def setUp(self):
        self.machine = Machine(pathlib.Path(tempfile.mkdtemp(dir=scratch)))
        self.addCleanup(self.machine.close)

    def check_unit(self):
        done = self.machine.run("systemd-analyze", "verify", "--man=no", UNIT)
        self.assertNotIn("mpyd.service", done.stderr)
        # 0 is a closed box; 1.5 of 10 is where services with a network end up that need nothing else.
        self.machine.run("systemd-analyze", "security", "--offline=yes", "--threshold=15", UNIT)

    def load_a_board(self, expected):
        """A motherboard on the same network, as its user would start it."""
        folder = self.machine.work
        motherboard = subprocess.Popen([live.MICROPYTHON, "-m", "mpyd", "--bus", folder / "bus", "--identity", folder / "identity",
                                        "--cache", folder / "cache", "--for", "60"], stdout=subprocess.PIPE, text=True)
        try:
            said = []
            while not said or f"loaded {expected}" not in said[-1]:
                line = motherboard.stdout.readline()
                self.assertTrue(line, said)
                said.append(line)
        finally:
            motherboard.kill()
            motherboard.wait()
            motherboard.stdout.close()

    def versions(self):
        return [release["version"] for release in json.loads(self.machine.mpyd("release", "list", "--json").stdout)["releases"]]

    def schema(self, database):
        connection = sqlite3.connect(database)
        try:
            return connection.execute("PRAGMA user_version").fetchone()[0]
        finally:
            connection.close()

    def readiness(self):
        try:
            with urllib.request.urlopen("http://127.0.0.1:8781/readyz", timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def make_server(self, told):
        """By the commands that the package tells, but for systemd's."""
        commands = [line.split() for line in told.splitlines() if line.startswith("  ")]
        self.assertEqual([words[0] for words in commands], ["mpyd", "chown", "systemctl"])
        for words in commands[:2]:
            self.machine.run(*words)
        mode = self.machine.path("/srv/mpyd-keys/root.key").stat()
        self.assertEqual((mode.st_uid, mode.st_mode & 0o77), (0, 0))
        self.assertEqual(self.machine.run("stat", "-c", "%U:%G:%a", DATA).stdout.strip(), "mpyd:mpyd:700")

    def publish(self, version):
        keys = "/srv/mpyd-keys"
        self.machine.mpyd("publish", "/tmp/work/relays.mpy", "--hardware-id", "hat:Acme:0001", "--name", "relays", "--version", version,
                          "--key", f"{keys}/publisher.key", "--root", f"{keys}/root.mpyd")

    def publish_a_driver(self):
        work, keys = self.machine.work, "/srv/mpyd-keys"
        (work / "relays.mpy").write_bytes(BYTECODE)
        (work / "bus/slot0").mkdir(parents=True)
        mpyd = self.machine.mpyd
        mpyd("keygen", "--role", "publisher", "--out", f"{keys}/publisher.key")
        about = ["--hardware-id", "hat:Acme:0001"]
        mpyd("trust", "delegate", *about, "--name", "relays", "--publisher", f"{keys}/publisher.key.pub", "--key", f"{keys}/targets.key",
             "--root", f"{keys}/root.mpyd", "--yes")
        self.publish("1.0.0")
        mpyd("device", "provision", "--name", "bench", "--out", "/tmp/work/identity", "--device-server", "127.0.0.1:8780",
             "--root", f"{keys}/root.mpyd")
        mpyd("eeprom", "build", *about, "--out", "/tmp/work/bus/slot0/50.eep")

    def look_after_it_as_root(self, when):
        """Nothing of it may come to belong to root, for the daemon could not read it."""
        self.machine.mpyd("backup", "--data", DATA, "--out", f"/srv/{when}.backup", "--without-keys")
        self.machine.run("/usr/bin/mpyd", "doctor", "--data", DATA, check=False)
        self.assertTrue(self.machine.path(f"{DATA}/last-backup").exists())
        self.assertEqual(self.machine.run("find", DATA, "!", "-user", "mpyd").stdout, "")

    def check_upgrade(self, service):
        """The next version comes while this one serves; the database is as it was until the new daemon starts."""
        machine = self.machine
        database, old = machine.path(f"{DATA}/mpyd.db"), machine.path(f"{DATA}/mpyd.db.schema-{self.schema_before}")
        said = machine.install(packages[1])
        self.assertNotIn("mpyd init", said.stderr)
        self.assertTrue(machine.run("dpkg-query", "-W", "-f", "${Version}", "mpyd").stdout.endswith("+next"))
        self.assertEqual(self.readiness(), 200)
        self.assertEqual(service.stop(), 0)
        self.assertEqual(self.schema(database), self.schema_before)

        service.start()
        self.assertIn(f"from schema {self.schema_before} to {self.schema_before + 1}", service.log.read_text())
        self.assertEqual(self.schema(database), self.schema_before + 1)
        self.assertEqual(self.schema(old), self.schema_before)
        self.assertEqual(machine.run("stat", "-c", "%U:%a", f"{DATA}/{old.name}").stdout.strip(), "mpyd:600")
        self.assertEqual((self.readiness(), self.versions()), (200, ["1.0.0"]))
        machine.mpyd("audit", "verify")
        self.load_a_board("relays 1.0.0")
        self.publish("1.1.0")
        self.assertEqual(service.stop(), 0)

    def check_way_back(self, service):
        """As server/README.md says; the old binary does not touch what it does not know."""
        machine = self.machine
        database = machine.path(f"{DATA}/mpyd.db")
        machine.install(packages[0])
        new = database.read_bytes()
        code, said = service.fail()
        self.assertIn(code, service.hopeless)
        self.assertRegex(said, r"install mpyd [0-9.]+\+next or newer")
        self.assertEqual(database.read_bytes(), new)
        machine.run("mv", f"{DATA}/mpyd.db.schema-{self.schema_before}", f"{DATA}/mpyd.db")
        machine.run("rm", "-f", f"{DATA}/mpyd.db-wal", f"{DATA}/mpyd.db-shm")
        service.start()
        self.assertEqual((self.readiness(), self.versions()), (200, ["1.0.0"]))
        self.assertEqual(service.stop(), 0)

    def test_what_was_never_used_leaves_nothing(self):
        self.machine.install(packages[0])
        self.machine.purge()
        for name in (DATA, "/etc/mpyd", "/usr/bin/mpyd", "/usr/share/doc/mpyd", UNIT):
            self.assertFalse(self.machine.path(name).exists(), name)

    def test_systemd_starts_it_as_the_unit_says(self):
        """A systemd of its own, for the calls and files that the unit takes away are taken away by nobody else."""
        machine = self.machine
        self.make_server(machine.install(packages[0]).stderr)
        (machine.path("/etc/systemd/system/mpyd.service.d")).mkdir()
        for name, text in (("/etc/systemd/system/mpyd.service.d/alone.conf", ALONE), ("/etc/systemd/system/probe.service", PROBE),
                           ("/srv/ask.py", ASK)):
            machine.path(name).write_text(text)
        group = ControlGroup(machine)
        self.addCleanup(group.close)
        out, console = machine.path("/srv/probe.out"), scratch / "console"
        with open(console, "wb") as log:
            systemd = subprocess.Popen(["unshare", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child", "sh", "-c",
                                        BOOT, "boot", str(machine.root)], preexec_fn=group.enter, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log)
        try:
            live.wait_for("the service", lambda: systemd.poll() is not None or (out.exists() and "\nEND" in out.read_text()))
        finally:
            systemd.kill()
            systemd.wait()
        said = out.read_text() if out.exists() else console.read_text()
        self.assertIn("readyz 200", said)
        self.assertRegex(said, r"mpyd\[\d+\]: mpyd [0-9.]+ serves /var/lib/mpyd")
        self.assertIn("code=exited, status=0/SUCCESS", said)

    def test_from_installing_to_purging(self):
        machine = self.machine
        told = machine.install(packages[0]).stderr
        self.assertEqual(machine.run("stat", "-c", "%U:%G:%a", DATA).stdout.strip(), "root:root:700")
        self.check_unit()
        service = Service(machine)
        self.addCleanup(service.stop)
        self.assertFalse(service.would_start())
        self.make_server(told)
        self.assertTrue(service.would_start())

        # Whoever edits the settings keeps them.
        settings = machine.path(SETTINGS)
        settings.write_text(settings.read_text() + 'log-format = "json"\n')
        edited = settings.read_text()
        self.assertEqual(service.start()["listen"], "127.0.0.1:8780")
        self.assertIn("message", json.loads(service.log.read_text().splitlines()[-1]))
        self.assertEqual(self.readiness(), 200)
        self.publish_a_driver()
        self.load_a_board("relays 1.0.0")
        self.look_after_it_as_root("running")
        self.assertEqual(service.stop(), 0)
        self.look_after_it_as_root("stopped")
        service.start()
        self.assertEqual(self.readiness(), 200)

        key = machine.path(f"{DATA}/server.key").read_bytes()
        self.schema_before = self.schema(machine.path(f"{DATA}/mpyd.db"))
        self.check_upgrade(service)
        self.assertEqual(settings.read_text(), edited)
        self.check_way_back(service)

        machine.run("dpkg", "-r", "mpyd")
        self.assertFalse(machine.path("/usr/bin/mpyd").exists())
        self.assertEqual(settings.read_text(), edited)
        self.assertIn(f"{DATA} stays", machine.purge().stderr)
        self.assertFalse(machine.path("/etc/mpyd").exists())
        self.assertEqual(machine.path(f"{DATA}/server.key").read_bytes(), key)
        self.assertTrue(machine.path(f"{DATA}/mpyd.db").exists())


def enter_own_world():
    """Mount points, a network and processes of our own, and root's rights over them."""
    if os.environ.get("MPYD_OWN_WORLD") == "1":
        run("ip", "link", "set", "lo", "up")
        return
    variables = [f"{name}={value}" for name, value in os.environ.items() if name.startswith("MPYD_")]
    root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    os.execvp("env", ["env", *root, "env", *variables, "MPYD_OWN_WORLD=1", "unshare", "--mount", "--net", "--pid", "--fork",
                      "--kill-child", sys.executable, str(pathlib.Path(__file__).resolve()), *sys.argv[1:]])


if __name__ == "__main__":
    enter_own_world()
    unittest.main()
