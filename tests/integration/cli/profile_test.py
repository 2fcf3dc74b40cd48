#!/usr/bin/python3
"""Configuration from outside: login, whoami, profiles, where settings come from, completions, the manual page."""

import json
import os
import re
import shutil
import subprocess
import unittest

import support
from support import CliTest, live


class ProfileTest(CliTest):
    @classmethod
    def setUpClass(cls):
        cls.place = live.temporary_folder()
        cls.addClassCleanup(shutil.rmtree, cls.place)
        cls.server = live.Server(cls.place).start()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        super().setUp()
        self.config = self.folder / "config" / "mpyd" / "client.toml"
        clean = {name: "" for name in os.environ if name.startswith("MPYD_") and name not in ("MPYD_BINARY", "MPYD_BUILD_DIR")}
        self.env = dict(clean, XDG_CONFIG_HOME=str(self.folder / "config"), HOME=str(self.folder))

    def token(self, name, *more):
        return self.server.admin("token", "create", "--name", name, *more).stdout.strip()

    def login(self, *args, token=None, check=True):
        done = subprocess.run([live.MPYD, "login", *args], input=(token or self.server.token_file.read_text()).strip() + "\n",
                              capture_output=True, text=True, timeout=60, env=dict(os.environ, **self.env))
        if check:
            self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def whoami(self, *args, **env):
        return self.run_json("whoami", *args, env=dict(self.env, **env))

    def origins(self, shown):
        return {s["name"]: (s["value"], s["origin"]) for s in shown["settings"]}


class Login(ProfileTest):
    def test_a_token_is_checked_kept_beside_the_profile_and_used(self):
        secret = self.token(f"reader-{self.folder.name}".lower().replace("_", "-"), "--scope", "read", "--expires", "1d")
        done = self.login("--server", self.server.url, "--json", token=secret)
        self.assertNotIn(secret, done.stdout + done.stderr)
        said = json.loads(done.stdout)
        self.assertEqual((said["profile"], said["file"], said["token"]["scopes"]), ("default", str(self.config), ["read"]))
        kept = self.config.parent / "default.token"
        self.assert_secret(kept)
        self.assert_secret(self.config)
        self.assertEqual(kept.read_text(), secret)
        self.assertEqual(self.config.read_text(), 'default = "default"\n\n[profile.default]\n'
                         f'server = "{self.server.url}"\ntoken-file = "default.token"\n')

        who = self.whoami()
        self.assertEqual(who["token"]["scopes"], ["read"])
        self.assertIsNotNone(who["token"]["expires_unix_s"])
        self.assertEqual(self.origins(who)["server"], (self.server.url, f"{self.config}:4"))
        self.assertEqual(self.origins(who)["token-file"], (str(kept), f"{self.config}:5"))
        # Any other command is logged in as well.
        self.run_json("device", "list", env=self.env)
        self.run_fails(support.NOT_AUTHORISED, "token", "list", env=self.env)

    def test_logging_out_forgets_the_token_and_nothing_else(self):
        self.login("--server", self.server.url, "--profile", "work")
        done = self.run_ok("logout", "--profile", "work", env=self.env)
        self.assertIn("work", done.stdout)
        self.assertEqual([p.name for p in self.config.parent.iterdir()], ["client.toml"])
        self.assertEqual(self.config.read_text(), f'default = "work"\n\n[profile.work]\nserver = "{self.server.url}"\n')
        self.run_fails(support.NOT_AUTHORISED, "whoami", env=self.env, saying="no token")
        self.run_fails(support.NOT_FOUND, "logout", env=self.env, saying="holds no token")
        # Back again: the server is still known.
        self.login()
        self.assertEqual(self.whoami()["profile"], "work")

    def test_what_is_handed_to_a_login_counts_before_variables(self):
        handed = self.token("handed-over", "--scope", "read")
        self.env["MPYD_TOKEN_FILE"] = str(self.server.token_file)
        self.login("--server", self.server.url, token=handed)
        self.env["MPYD_TOKEN_FILE"] = ""
        self.assertEqual(self.whoami()["token"]["name"], "handed-over")
        # Nothing is handed over: the variable's. And once logged out, it still gives one.
        self.env["MPYD_TOKEN_FILE"] = str(self.server.token_file)
        self.login("--server", self.server.url, token="\n")
        self.env["MPYD_TOKEN_FILE"] = ""
        self.assertEqual(self.whoami()["token"]["name"], "admin")
        done = self.run_ok("logout", env=dict(self.env, MPYD_TOKEN="x"))
        self.assertIn("MPYD_TOKEN still gives commands a token", done.stderr)

    def test_without_a_profile_the_file_of_profiles_is_not_read(self):
        self.config.parent.mkdir(parents=True)
        self.config.write_text("token = 1\n")
        self.run_fails(support.USAGE, "config", "show", env=self.env)
        self.run_ok("--profile", "none", "config", "show", env=self.env)

    def test_what_the_server_does_not_know_is_not_kept(self):
        done = self.login("--server", self.server.url, token="mpyd_made-up", check=False)
        self.assertEqual(done.returncode, support.NOT_AUTHORISED)
        self.assertFalse(self.config.exists())
        self.assertEqual(self.login("--server", "http://127.0.0.1:1", check=False).returncode, support.NETWORK)
        self.assertEqual(self.login("--server", self.server.url, "--profile", "a/b", check=False).returncode, support.USAGE)

    def test_a_profiles_token_is_not_shown_to_another_server(self):
        wire = live.Wire(self.server.ports[1])
        self.addCleanup(wire.close)
        self.login("--server", self.server.url)
        done = self.run_fails(support.NOT_AUTHORISED, "whoami", "--server", f"http://127.0.0.1:{wire.port}", env=self.env)
        self.assertIn(f"is for {self.server.url} only", done.stderr)
        self.assertEqual(bytes(wire.captured), b"")

    def test_profiles_are_chosen_by_flag_variable_and_default(self):
        self.login("--server", self.server.url, "--profile", "one")
        self.login("--server", self.server.url, "--profile", "two")
        self.assertEqual(self.whoami()["profile"], "one")
        self.assertEqual(self.whoami(MPYD_PROFILE="two")["profile"], "two")
        self.assertEqual(self.whoami("--profile", "two", MPYD_PROFILE="one")["profile"], "two")
        self.run_fails(support.NOT_FOUND, "whoami", "--profile", "three", env=self.env, saying="three")
        self.run_fails(support.NOT_AUTHORISED, "whoami", "--profile", "none", "--server", self.server.url, env=self.env)


class Layers(ProfileTest):
    def test_every_setting_says_where_it_comes_from(self):
        self.config.parent.mkdir(parents=True)
        self.config.write_text('default = "work"\n[profile.work]\nserver = "http://127.0.0.1:1"\nroot = "root.mpyd"\n'
                               '[profile.work.trust]\nkey = "targets.key"\n')
        shown = self.origins(self.run_json("config", "show", env=dict(self.env, MPYD_CA_FILE="ca.pem")))
        self.assertEqual(shown["server"], ("http://127.0.0.1:1", f"{self.config}:3"))
        self.assertEqual(shown["root"], (str(self.config.parent / "root.mpyd"), f"{self.config}:4"))
        self.assertEqual(shown["trust key"], ([str(self.config.parent / "targets.key")], f"{self.config}:6"))
        self.assertEqual(shown["ca-file"], ("ca.pem", "MPYD_CA_FILE"))
        self.assertEqual(shown["key"], (None, "not set"))

    def test_a_mistake_in_a_file_is_named_with_its_line(self):
        self.config.parent.mkdir(parents=True)
        self.config.write_text('[profile.work]\nservr = "x"\n')
        self.run_fails(support.USAGE, "whoami", env=self.env, saying=f"{self.config}:2: there is no key 'servr'; the nearest is 'server'")
        # What needs no settings does not read the file.
        self.run_ok("completion", "bash", env=self.env)
        self.config.write_text("")
        self.config.chmod(0o666)
        self.run_fails(support.NOT_AUTHORISED, "whoami", env=self.env, saying="others may write it")

    def test_a_server_prints_its_settings_and_starts_from_a_file(self):
        file = self.folder / "server.toml"
        file.write_text('admin-listen = "127.0.0.1:0"\ndata = "data"\n')
        serve = ("serve", "--config", file, "--listen", "127.0.0.1:0")
        shown = self.origins(self.run_json(*serve, "--print-config", env=dict(self.env, MPYD_BEHIND_PROXY="10.0.0.0/8")))
        self.assertEqual(shown["listen"], ("127.0.0.1:0", "flag"))
        self.assertEqual(shown["behind-proxy"], ("10.0.0.0/8", "MPYD_BEHIND_PROXY"))
        self.assertEqual(shown["admin-listen"], ("127.0.0.1:0", f"{file}:1"))
        self.assertEqual(shown["data"], (str(self.folder / "data"), f"{file}:2"))
        self.assertEqual(shown["tls-cert"], (None, "not set"))
        # What is printed is a configuration file with the same settings.
        printed = self.folder / "printed.toml"
        printed.write_text(self.run_ok(*serve, "--print-config", env=self.env).stdout)
        again = self.origins(self.run_json("serve", "--config", printed, "--print-config", env=self.env))
        self.assertEqual({n: v for n, (v, _) in again.items()},
                         {n: v for n, (v, _) in dict(shown, **{"behind-proxy": (None, "")}).items()})

        self.run_ok("init", "--data", self.folder / "data", "--keys", self.folder / "keys", env=self.env)
        daemon = subprocess.Popen([live.MPYD, *map(str, serve)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env=dict(os.environ, **self.env))
        try:
            live.wait_for("the daemon to listen", (self.folder / "data/serve.json").exists)
        finally:
            daemon.terminate()
            self.assertEqual(daemon.wait(timeout=20), 0)

        file.write_text('listen = "127.0.0.1"\n')
        self.run_fails(support.USAGE, "serve", "--config", file, "--data", "x", env=self.env, saying=f"{file}:1: listen: ")
        self.run_fails(support.NOT_FOUND, "serve", "--config", self.folder / "none.toml", "--data", "x", env=self.env)
        self.run_fails(support.USAGE, "serve", "--config", "none", env=self.env, saying="--data is required")

    def test_quiet_leaves_results_and_errors(self):
        out = self.folder / "fleet.pub"
        loud = self.run_ok("token", "create", "--name", "loud", "--scope", "read", "--server", self.server.url,
                           "--token-file", self.server.token_file, env=self.env)
        quiet = self.run_ok("token", "create", "--name", "quiet", "--scope", "read", "--server", self.server.url,
                            "--token-file", self.server.token_file, "--quiet", env=self.env)
        self.assertTrue(loud.stderr)
        self.assertEqual(quiet.stderr, "")
        self.assertTrue(quiet.stdout)
        self.run_fails(support.NOT_FOUND, "inspect", out, "--quiet", env=self.env)


class Readme(ProfileTest):
    def test_the_section_of_the_readme_is_as_it_says(self):
        text = (live.REPO / "README.md").read_text().split("\n## Configuration\n", 1)[1].split("\n## ", 1)[0]
        server_file, client_file = re.findall(r"^```toml\n(.*?)^```$", text, re.M | re.S)
        file = self.folder / "server.toml"
        file.write_text(server_file)
        shown = self.origins(self.run_json("serve", "--config", file, "--print-config", env=self.env))
        self.assertEqual(shown["data"], ("/var/lib/mpyd", f"{file}:1"))
        self.config.parent.mkdir(parents=True)
        self.config.write_text(client_file)
        self.assertIn("trust key", self.origins(self.run_json("config", "show", env=self.env)))
        self.config.unlink()
        (commands,) = re.findall(r"^```sh config\n(.*?)^```$", text, re.M | re.S)
        done = subprocess.run(["bash", "-ec", commands.replace("http://127.0.0.1:8781", self.server.url)], cwd=self.place,
                              env=dict(os.environ, **self.env, PATH=f"{live.MPYD.parent}:{os.environ['PATH']}"),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("profile work", done.stdout)


class Manual(CliTest):
    def complete(self, line):
        """What bash offers where the line ends."""
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _mpyd; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-c", script, "bash", self.script, *line.split(" ")], capture_output=True, text=True,
                              cwd=self.folder, timeout=20)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return sorted(done.stdout.split())

    def test_bash_completes_commands_options_values_and_files(self):
        self.script = self.folder / "mpyd.bash"
        self.script.write_text(self.run_ok("completion", "bash").stdout)
        (self.folder / "admin.token").touch()
        (self.folder / "arms").mkdir()
        self.assertEqual(self.complete("mpyd tru"), ["trust"])
        self.assertIn("targets", self.complete("mpyd trust rotate "))
        self.assertEqual(self.complete("mpyd trust delegate --unch"), ["--unchecked-packages"])
        self.assertEqual(self.complete("mpyd device list --state enr"), ["enrolled"])
        self.assertEqual(self.complete("mpyd device list --state = enr"), ["enrolled"])
        self.assertEqual(self.complete("mpyd completion "), ["bash", "fish", "zsh"])
        self.assertEqual(self.complete("mpyd whoami --token-file a"), ["admin.token", "arms"])
        self.assertEqual(self.complete("mpyd serve --data a"), ["arms"])
        self.assertEqual(self.complete("mpyd audit --lim"), ["--limit"])
        self.assertIn("verify", self.complete("mpyd audit "))
        self.assertEqual(self.complete("mpyd whoami --js"), ["--json"])
        self.assertEqual(self.complete("mpyd eeprom build --size "), [])

    def test_scripts_of_other_shells_are_read_by_them_where_they_are(self):
        for shell in ("bash", "zsh", "fish"):
            text = self.run_ok("completion", shell).stdout
            for word in ("publish", "rotate", "--admin-listen", "enrolled"):
                self.assertIn(word if shell != "fish" else word.removeprefix("--"), text)
            if shutil.which(shell):
                script = self.folder / shell
                script.write_text(text)
                done = subprocess.run([shell, "-n", script], capture_output=True, text=True, timeout=20)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.run_fails(support.USAGE, "completion", "tcsh")

    def test_the_manual_page_is_roff_without_a_warning_and_names_every_command(self):
        page = self.folder / "mpyd.1"
        page.write_text(self.run_ok("man").stdout)
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", page], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for text in (page.read_text().replace("\\-", "-"), self.run_ok("reference").stdout):
            for command in ("mpyd serve", "mpyd trust rotate targets", "mpyd eeprom build", "mpyd login", "mpyd audit verify"):
                self.assertIn(command, text)
            self.assertIn("MPYD_ADMIN_LISTEN", text.replace("\\_", "_"))

    def test_help_and_reference_tell_the_same_table(self):
        reference = self.run_ok("reference").stdout
        for heading in [line[3:] for line in reference.splitlines() if line.startswith("## ")]:
            part = reference.split(f"\n## {heading}\n")[1].split("\n## ")[0]
            shown = self.run_ok(*heading.split()[1:], "--help").stdout
            for line in part.splitlines():
                if line.startswith("| `--"):
                    name = line[3:].split("`")[0].split(",")[0].split(" ")[0]
                    self.assertIn(name, shown, heading)


if __name__ == "__main__":
    unittest.main()
