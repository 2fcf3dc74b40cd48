"""What people get wrong with mpyd, in one table: each mistake leads to an exit code and a message that says what failed,
why, and what to do next."""

import json
import os
import re
import shutil
import socket
import subprocess
import unittest
from unittest import mock

from support import (CONFLICT, FAILED, HARDWARE_ID, NETWORK, NOT_AUTHORISED, NOT_FOUND, USAGE, VERIFICATION, CliTest, driver, live)

OTHER_ID = "hat:Meadow%20Instruments:0099"


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def certificate(folder, name, days):
    """A self-signed certificate for localhost that is good for so many days; they may be over."""
    cert, key, request = folder / f"{name}.pem", folder / f"{name}.key.pem", folder / f"{name}.csr"
    names = folder / "names.ext"
    names.write_text("subjectAltName=DNS:localhost\n")
    for arguments in (["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
                       "-keyout", key, "-out", request],
                      ["x509", "-req", "-in", request, "-signkey", key, "-days", days, "-extfile", names, "-out", cert]):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
    return cert, key


def start_with_tls(server, cert, key):
    plain_popen = subprocess.Popen
    with mock.patch.object(subprocess, "Popen", lambda arguments, **options:
                           plain_popen([*arguments, "--tls-cert", cert, "--tls-key", key], **options)):
        return server.start()


class Mistakes(CliTest):
    """`mistake` runs a command; what it has to say is given as pieces of text: what failed, why, the next step."""

    @classmethod
    def setUpClass(cls):
        cls.shared = live.temporary_folder()
        cls.addClassCleanup(shutil.rmtree, cls.shared)
        cls.server = live.Server(cls.shared).start()
        cls.addClassCleanup(cls.server.stop)
        cls.server.delegate()
        cls.server.publish(driver())

    def mistake(self, code, args, saying, **kwargs):
        done = live.mpyd(*args, check=False, **kwargs)
        said = done.stderr
        with self.subTest(" ".join(map(str, args))):
            self.assertEqual((done.returncode, done.stdout), (code, ""), said)
            self.assertIn("error: ", said)
            for piece in saying:
                self.assertIn(piece, said)
        return said

    def admin_mistake(self, code, args, saying, **kwargs):
        kwargs.setdefault("token_file", self.server.token_file)
        return self.mistake(code, (*args, "--server", self.server.url), saying, **kwargs)

    def publish(self, file=None, hardware_id=HARDWARE_ID, name="thermo", version="2.0.0", key=None, root=None, more=()):
        return ("publish", file or driver(version="2.0.0"), "--hardware-id", hardware_id, "--name", name, "--version", version,
                "--key", key or self.server.publisher, "--root", root or self.server.root, *more)

    # Keys.

    def test_1_the_wrong_key(self):
        stranger = self.folder / "stranger.key"
        self.run_ok("keygen", "--role", "publisher", "--out", stranger)
        self.admin_mistake(VERIFICATION, self.publish(key=stranger),
                           [f"{stranger} is no publisher of this board", f"mpyd trust delegate --hardware-id {HARDWARE_ID}",
                            f"--publisher {stranger}.pub"])
        self.admin_mistake(USAGE, self.publish(key=self.server.keys / "targets.key"), ["targets key", "a publisher key is needed"])
        self.admin_mistake(USAGE, self.publish(key=f"{stranger}.pub"), ["is a public key", f"--key {stranger}"])

    def test_2_a_key_file_that_others_may_read(self):
        key = shutil.copy(self.server.publisher, self.folder / "open.key")
        key.chmod(0o644)
        self.admin_mistake(NOT_AUTHORISED, self.publish(key=key), [f"{key} is a secret", f"chmod 600 {key}"])

    def test_3_the_wrong_passphrase_or_none(self):
        right, wrong, key = (self.folder / name for name in ("right", "wrong", "protected.key"))
        right.write_text("correct horse\n")
        wrong.write_text("battery staple\n")
        self.mistake(NOT_AUTHORISED, ("keygen", "--role", "publisher", "--out", key, "--passphrase-file", right),
                     [f"{right} is a secret", f"chmod 600 {right}"])
        for file in (right, wrong):
            file.chmod(0o600)
        self.run_ok("keygen", "--role", "publisher", "--out", key, "--passphrase-file", right)
        self.admin_mistake(VERIFICATION, self.publish(key=key, more=("--passphrase-file", wrong)),
                           [f"{key}: the passphrase does not open this key", "check the passphrase (--passphrase-file)"])
        self.admin_mistake(VERIFICATION, self.publish(key=key), [f"{key}: this key has a passphrase", "--passphrase-file"])

    def test_4_a_publisher_who_was_revoked(self):
        board, key = "hat:Meadow%20Instruments:0077", self.server.new_publisher("gone")
        self.server.delegate(board, publisher=key)
        self.server.admin("trust", "revoke", "--publisher", f"{key}.pub", "--key", self.server.keys / "targets.key", "--root",
                          self.server.root, "--yes")
        self.admin_mistake(VERIFICATION, self.publish(hardware_id=board, key=key),
                           ["revoked", f"{key} was revoked for all boards", "mpyd keygen --role publisher", "mpyd trust delegate"])

    # Tokens.

    def test_5_no_token_and_a_bad_one(self):
        listing = ("release", "list")
        self.admin_mistake(NOT_AUTHORISED, listing, ["no token was given", "--token-file FILE", "MPYD_TOKEN"], token_file=None)
        bad = self.folder / "bad.token"
        bad.write_text("mpyd_nonsense\n")
        bad.chmod(0o600)
        self.admin_mistake(NOT_AUTHORISED, listing, ["the token is not known", "--token-file FILE"], token_file=bad)
        bad.write_text("\n")
        self.admin_mistake(NOT_AUTHORISED, listing, [f"{bad} holds no token"], token_file=bad)
        bad.chmod(0o644)
        self.admin_mistake(NOT_AUTHORISED, listing, [f"{bad} is a secret", f"chmod 600 {bad}"], token_file=bad)

    def test_6_too_small_a_scope(self):
        small = self.folder / "small.token"
        small.write_text(self.server.admin("token", "create", "--name", "looker", "--scope", "read").stdout)
        small.chmod(0o600)
        self.admin_mistake(NOT_AUTHORISED, ("release", "yank", "--hardware-id", HARDWARE_ID, "--version", "1.0.0"),
                           ["the token 'looker' has the scopes 'read'", "this needs 'operate'", "mpyd token create"],
                           token_file=small)
        self.admin_mistake(NOT_AUTHORISED, self.publish(), ["this needs 'publish'", "mpyd token create"], token_file=small)

    # What is published.

    def test_7_the_wrong_hardware_id(self):
        self.admin_mistake(VERIFICATION, self.publish(hardware_id=OTHER_ID),
                           [f"no policy entry names {OTHER_ID}", "nobody may publish for this board yet",
                            f"mpyd trust delegate --hardware-id {OTHER_ID}"])
        self.admin_mistake(USAGE, self.publish(hardware_id="hat:Meadow Instruments:0042"),
                           ["is not of the form scheme:vendor:product", "hat:Meadow%20Instruments:0042"])
        self.admin_mistake(CONFLICT, self.publish(name="thermometer"), ["is called thermo, not thermometer", "--name thermo"])

    def test_8_a_file_that_is_not_built(self):
        source = live.REPO / "tests/drivers/thermo"
        self.admin_mistake(VERIFICATION, self.publish(source / "thermo.c"),
                           ["thermo.c: C source, not a module", f"deploy/driver build {source}"])
        self.admin_mistake(VERIFICATION, self.publish(source / "thermo.py"),
                           ["thermo.py: Python source, not a module", "mpy-cross"])
        linked = self.folder / "thermo.o"
        linked.write_bytes(b"\x7fELF" + bytes(60))
        self.admin_mistake(VERIFICATION, self.publish(linked), ["thermo.o: an object file", "mpy_ld.py"])
        text = self.folder / "notes.txt"
        text.write_text("to do\n")
        self.admin_mistake(VERIFICATION, self.publish(text), ["notes.txt: not a .mpy", f"mpyd inspect {text}"])

    def test_9_a_module_for_something_unknown(self):
        module = bytearray(driver().read_bytes())
        strange = self.folder / "strange.mpy"
        module[2] = 14 << 2
        strange.write_bytes(module)
        self.admin_mistake(VERIFICATION, self.publish(strange), ["an architecture that this mpyd does not know", "build it for one"])
        module[1] = 5
        strange.write_bytes(module)
        self.admin_mistake(VERIFICATION, self.publish(strange), ["a .mpy of version 5", "MicroPython 1.19 or later"])

    def test_10_the_version_is_there_with_other_content(self):
        self.admin_mistake(CONFLICT, self.publish(version="1.0.0"), ["version 1.0.0", "other content", "give this one a new --version"])
        self.admin_mistake(USAGE, self.publish(version="2.0"), ["--version 2.0 is not of the form X.Y.Z", "1.0.0"])

    def test_11_no_file_a_folder_or_an_empty_one(self):
        self.admin_mistake(NOT_FOUND, self.publish(self.folder / "nothing.mpy"), [f"cannot open {self.folder}/nothing.mpy", "No such file"])
        self.mistake(FAILED, ("inspect", self.folder), [f"cannot read {self.folder}", "it is a folder", "name a file in it"])
        self.admin_mistake(FAILED, self.publish(key=self.folder), ["it is a folder", "name a file in it"])
        empty = self.folder / "empty"
        empty.mkdir()
        self.admin_mistake(NOT_FOUND, self.publish(empty), [f"no variants in {empty}", "deploy/driver build"])

    # Roots.

    def test_12_no_root(self):
        arguments = [each for each in self.publish() if each not in ("--root", self.server.root)]
        self.admin_mistake(USAGE, arguments, ["mpyd publish: --root is required", "root.mpyd", "mpyd init"])

    def test_13_a_server_that_the_root_does_not_certify(self):
        other = live.Server(self.folder)
        self.admin_mistake(VERIFICATION, self.publish(root=other.root),
                           ["another root than the pinned one", "is --root the root document of this server?"])

    # Addresses.

    def test_14_the_server_is_down(self):
        url = f"http://127.0.0.1:{closed_port()}"
        self.mistake(NETWORK, ("release", "list", "--server", url), [f"cannot reach {url}", "Connection refused", "is the server running"],
                     token_file=self.server.token_file)

    def test_15_the_wrong_port(self):
        self.mistake(USAGE, ("release", "list", "--server", f"http://127.0.0.1:{self.server.port}"),
                     ["this is the listener for devices", "port 8781", "--server"], token_file=self.server.token_file)

    def test_16_https_and_http_mixed_up_and_a_clock_that_is_off(self):
        token = dict(token_file=self.server.token_file)
        listing = ("release", "list", "--server")
        url = self.server.url
        self.mistake(NETWORK, (*listing, url.replace("http:", "https:")), ["no TLS with", "it answers in clear", "write http://"], **token)
        self.mistake(USAGE, (*listing, url.removeprefix("http://")), ["not the address of a server", "http://HOST:PORT"], **token)
        server = live.Server(self.folder)
        token = dict(token_file=server.token_file)
        cert, key = certificate(self.folder, "good", 2)
        start_with_tls(server, cert, key)
        try:
            port = server.ports[1]
            self.mistake(NETWORK, (*listing, f"http://127.0.0.1:{port}"), ["no answer from", "write https://"], **token)
            self.mistake(NETWORK, (*listing, f"https://localhost:{port}"), ["its certificate is not trusted here", "--ca-file"], **token)
            self.mistake(NETWORK, (*listing, f"https://127.0.0.1:{port}", "--ca-file", cert), ["not one for 127.0.0.1"], **token)
        finally:
            server.stop()
        # To a clock that is fast, a good certificate looks like this one.
        cert, key = certificate(self.folder, "old", -1)
        start_with_tls(server, cert, key)
        self.addCleanup(server.stop)
        self.mistake(NETWORK, (*listing, f"https://localhost:{server.ports[1]}", "--ca-file", cert),
                     ["its certificate has expired", "the clock of this machine is wrong: it shows 20"], **token)

    # EEPROMs.

    def test_17_an_eeprom_that_is_too_small(self):
        self.run_ok("pack", driver(), "--hardware-id", HARDWARE_ID, "--name", "thermo", "--version", "1.0.0", "--release", 1, "--key",
                    self.server.publisher, "--root", self.server.root, "--out-dir", self.folder)
        self.mistake(VERIFICATION, ("eeprom", "build", "--hardware-id", HARDWARE_ID, "--package", self.folder / "thermo-1.0.0-6-any.mpkg",
                                    "--size", 512, "--out", self.folder / "x.eep"), ["the EEPROM 512", "take an EEPROM of"])

    def test_18_an_eeprom_of_no_size_that_there_is(self):
        self.mistake(USAGE, ("eeprom", "build", "--hardware-id", HARDWARE_ID, "--size", 1000, "--out", self.folder / "x.eep"),
                     ["no EEPROM has 1000 bytes", "1024 is the next"])
        image = self.folder / "cut.eep"
        self.run_ok("eeprom", "build", "--hardware-id", HARDWARE_ID, "--out", image)
        image.write_bytes(image.read_bytes()[:-1])
        self.mistake(VERIFICATION, ("eeprom", "identify", image), ["the data ends before its own lengths say", "was only a part of it read?"])

    # Devices and commands.

    def test_19_what_is_not_there(self):
        self.admin_mistake(NOT_FOUND, ("device", "show", "bench-7"), ["no device has the ID or the name 'bench-7'", "mpyd device list"])
        self.admin_mistake(NOT_FOUND, ("release", "yank", "--hardware-id", HARDWARE_ID, "--version", "7.0.0"),
                           ["version 7.0.0", "is not published", "mpyd search"])
        self.admin_mistake(NOT_FOUND, ("info", "thermometer"), ["nothing is published for thermometer", "mpyd search"])
        self.admin_mistake(NOT_FOUND, ("info", "thermo@7.0.0"), ["version 7.0.0 of thermo is not published", "there are 1.0.0"])
        self.server.provision("new", self.folder / "identity")
        self.admin_mistake(CONFLICT, ("explain", "--device", "new", "--hardware-id", HARDWARE_ID), ["not told its ABI yet", "give --abi as well"])
        self.admin_mistake(CONFLICT, ("device", "try-again", "new", "--slot", 2), ["reports no quarantine", "mpyd device show new"])

    def test_20_words_that_mpyd_does_not_know(self):
        self.mistake(USAGE, ("releases", "list"), ["there is no command 'releases'", "did you mean mpyd release?"])
        self.mistake(USAGE, ("yank",), ["there is no command 'yank'", "did you mean mpyd release yank?"])
        self.mistake(USAGE, ("release", "list", "--hardwareid", "x"), ["no option --hardwareid", "did you mean --hardware-id?"])
        self.mistake(USAGE, ("device",), ["mpyd device needs a command", "list", "mpyd device --help"])
        self.mistake(USAGE, (), ["mpyd needs a command", "publish", "mpyd --help"])
        self.mistake(USAGE, ("publish",), ["mpyd publish: FILE is required", "mpyd publish --help"])
        self.mistake(USAGE, ("trust", "floor", "--release", "first"), ["--release is a number, and first is none"])
        self.mistake(USAGE, ("token", "create", "--uses", 0), ["--uses is 1 to", "not 0"])
        self.mistake(USAGE, ("eeprom", "build", "--batch", 0, "--out", "x"), ["--batch is 1 or more, not 0"])
        self.mistake(USAGE, ("completion", "tcsh"), ["SHELL is one of bash, zsh, fish, not tcsh"])
        self.mistake(USAGE, ("device", "list", "--state", "on"), ["--state is one of enrolled, waiting", "not on"])
        self.mistake(USAGE, ("device", "list", "--name"), ["--name needs a value: NAME"])
        self.mistake(USAGE, ("eeprom", "read", "--address", "0x50"), ["--bus is required"])
        self.mistake(USAGE, ("eeprom", "build", "--hardware-id", "Thermo", "--out", "x"), ["Thermo is not a hardware ID", "hat:VENDOR:PRODUCT"])
        self.mistake(USAGE, ("keygen", "--role", "admin", "--out", self.folder / "k"), ["no such role: admin", "publisher"])

    # Servers.

    def test_21_a_data_directory_in_use_or_not_made(self):
        listen = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
        self.mistake(CONFLICT, ("serve", "--data", self.server.data, *listen),
                     [f"another mpyd runs on {self.server.data}", "serve.json", "end it first"])
        nowhere = self.folder / "nowhere"
        self.mistake(NOT_FOUND, ("serve", "--data", nowhere, *listen),
                     [f"{nowhere} is not a data directory", f"mpyd init --data {nowhere} --keys"])
        self.mistake(CONFLICT, ("init", "--data", self.server.data, "--keys", self.server.keys),
                     ["exists already", "nothing was changed", "--keys"])

    @unittest.skipUnless(os.geteuid() == 0, "only root may give a file to another user")
    def test_what_another_user_may_exchange(self):
        """Root is whom this is about: others cannot read or write it anyway."""
        theirs, ours, token = (self.folder / name for name in ("theirs", "ours", "their.token"))
        theirs.mkdir(mode=0o700)
        shutil.copy(self.server.token_file, token)
        passphrase = self.folder / "passphrase"
        passphrase.write_text("correct horse\n")
        passphrase.chmod(0o600)
        self.run_ok("backup", "--data", self.server.data, "--out", self.folder / "b", "--passphrase-file", passphrase)
        for path in (theirs, token, passphrase):
            os.chown(path, 61234, 61234)
        for data, keys in ((theirs, ours), (ours, theirs)):
            self.mistake(NOT_AUTHORISED, ("init", "--data", data, "--keys", keys), [f"{theirs} belongs to uid 61234", f"chown root {theirs}"])
        self.assertFalse(ours.exists() or any(theirs.iterdir()))
        restore = ("restore", self.folder / "b", "--passphrase-file", passphrase, "--data", theirs)
        self.mistake(NOT_AUTHORISED, restore, [f"{passphrase} belongs to uid 61234"])
        os.chown(passphrase, 0, 0)
        self.mistake(NOT_AUTHORISED, restore, [f"{theirs} belongs to uid 61234"])
        self.admin_mistake(NOT_AUTHORISED, ("device", "list"), [f"{token} belongs to uid 61234", f"chown root {token}"], token_file=token)

    @unittest.skipUnless(os.geteuid() == 0, "only root may give a file to another user")
    def test_root_looks_after_a_services_directory(self):
        other = live.Server(self.folder)
        for path in (other.data, *other.data.iterdir()):
            os.chown(path, 61234, 61234)
        other.start()
        self.addCleanup(other.stop)
        self.run_ok("backup", "--data", other.data, "--out", self.folder / "theirs.backup", "--without-keys")
        self.run_ok("doctor", "--data", other.data)

    def test_22_an_address_that_is_taken_or_open_to_all(self):
        other = live.Server(self.folder)
        self.mistake(CONFLICT, ("serve", "--data", other.data, "--listen", f"127.0.0.1:{self.server.port}", "--admin-listen", "127.0.0.1:0"),
                     [f"cannot listen on 127.0.0.1:{self.server.port}", "in use", "--listen"])
        self.mistake(NOT_AUTHORISED, ("serve", "--data", other.data, "--admin-listen", "0.0.0.0:0"),
                     ["reachable from other machines in clear", "--tls-cert and --tls-key"])


class JsonErrors(CliTest):
    """With --json a failure is one line on stdout as well, whatever failed."""

    def error_of(self, code, *args):
        done = live.mpyd(*args, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertTrue(re.fullmatch(r"[^\n]+\n", done.stdout), done.stdout)
        said = json.loads(done.stdout)
        self.assertEqual(list(said), ["error"])
        self.assertIn("error: " + said["error"]["message"], done.stderr)
        return said["error"]

    def test_every_failure_is_one_line(self):
        for code, name, args in ((NOT_FOUND, "not_found", ("inspect", self.folder / "nothing")),
                                 (NOT_AUTHORISED, "unauthorised", ("release", "list")),
                                 (USAGE, "invalid_argument", ("release", "lst")),
                                 (USAGE, "invalid_argument", ("release", "list", "--colour"))):
            for arguments in ((*args, "--json"), ("--json", *args)):
                with self.subTest(arguments):
                    error = self.error_of(code, *arguments)
                    self.assertEqual(error["code"], name)
                    if code != NOT_FOUND:
                        self.assertTrue(error["hint"])


if __name__ == "__main__":
    unittest.main()
