# `micropython -m mpyd` for people. Argument 2: the folder that run_with_server.py prepared.

import json
import os
import sys
import check

ROOT = check.folder()
GIVEN = sys.argv[2]


def motherboard(name):
    path = ROOT + "/" + name
    for folder in (path, path + "/slot3"):
        os.mkdir(folder)
    check.write(path + "/slot3/48.regs", "00: 15 80\n01: 00\n02: 4b 00\n03: 50 00\n")
    check.write(path + "/slot3/50.eep", check.read(GIVEN + "/thermo_x64.eep"))
    return path


def run(arguments, out, stdin="/dev/null"):
    """Exit code and output. Nothing here needs quoting."""
    code = os.system("{} -m mpyd {} <{} >{} 2>&1".format(sys.executable, arguments, stdin, out))
    return code >> 8, check.read(out).decode()


def options(path):
    return "--bus {0} --identity {1}/identity --cache {0}/cache".format(path, GIVEN)


def test_it_prints_what_happens_and_what_the_driver_reads():
    path = motherboard("lines")
    code, out = run(options(path) + " --read thermo=temperature --for 2", path + "/out")
    lines = out.split("\n")
    assert code == 0, out
    assert "slot 3  plugged" in lines, out
    assert "slot 3  identified hat:Meadow%20Instruments:0001" in lines, out
    assert any(l.startswith("slot 3  loaded thermo 1.0.0 (6.3-x64) in ") for l in lines), out
    assert "slot 3  thermo.temperature() = 21500" in lines, out
    assert "01: 61" in check.read(path + "/slot3/48.regs").decode()  # detached at the end


def test_it_prints_json_lines():
    path = motherboard("json")
    code, out = run(options(path) + " --json --read thermo=temperature --for 2", path + "/out")
    said = [json.loads(line) for line in out.split("\n") if line]
    loaded = [s for s in said if s["event"] == "loaded"]
    assert code == 0 and len(loaded) == 1, out
    assert loaded[0]["slot"] == 3 and loaded[0]["detail"] == "thermo 1.0.0 (6.3-x64)"
    reading = {"event": "read", "slot": 3, "driver": "thermo", "method": "temperature", "value": 21500}
    assert reading in said, out


def test_what_is_not_there_is_refused_by_its_name():
    path = motherboard("names")
    for name, what in (("bus", "folder"), ("identity", "file")):
        arguments = options(path).replace("--{} ".format(name), "--{} {}/absent -".format(name, path)).split(" ")
        arguments = " ".join(a for a in arguments if not a.startswith("-/"))
        code, out = run(arguments + " --for 1", path + "/out")
        assert code == 1 and out.startswith("mpyd: --{} {}/absent: there is no such {}".format(name, path, what)), out


def test_help_is_no_mistake():
    code, out = run("--help", ROOT + "/help")
    assert code == 0 and out.startswith("micropython -m mpyd --bus"), out


def test_it_stores_drivers_on_boards_that_have_room():
    path = motherboard("store")
    os.mkdir(path + "/slot5")
    check.write(path + "/slot5/50.eep", check.read(GIVEN + "/thermo_to_store.eep"))
    check.write(path + "/slot5/48.regs", "00: 15 80\n01: 00\n02: 4b 00\n03: 50 00\n")
    code, out = run(options(path) + " --store --current 500 --width 16 --for 4", path + "/out")
    lines = out.split("\n")
    assert code == 0 and any(l.startswith("slot 5  stored ") for l in lines), out
    assert any(l.startswith("slot 3  not stored: ") and "not_found" in l for l in lines), out
    assert b"mpyd\x05" in check.read(path + "/slot5/50.eep")


def test_the_folder_itself_may_be_the_only_slot():
    path = motherboard("single") + "/slot3"
    code, out = run(options(path) + " --mux none --address 0x50-0x53 --read thermo=temperature --for 2", ROOT + "/single.out")
    assert code == 0 and "slot 0  thermo.temperature() = 21500" in out.split("\n"), out


def test_it_ends_with_standard_input():
    path = motherboard("stdin")
    code, out = run(options(path), path + "/out")
    assert code == 0, out


def test_it_ends_with_ctrl_c_and_lets_go_of_the_drivers():
    path = motherboard("interrupt")
    # `sleep` keeps standard input open.
    script = "sleep 5 | sh -c 'echo $$ >{2}/pid; exec {0} -m mpyd {1} >{2}/out 2>&1' & sleep 2; kill -INT $(cat {2}/pid)"
    code = os.system(script.format(sys.executable, options(path), path))
    assert code == 0
    os.system("sleep 1")
    out = check.read(path + "/out").decode()
    assert "slot 3  loaded thermo" in out, out
    assert "Traceback" not in out, out
    assert "01: 61" in check.read(path + "/slot3/48.regs").decode(), out


def test_wrong_use_is_explained():
    for arguments, word in (("", "--bus is missing"), ("--frobnicate", "unknown option"), ("--bus", "needs a value")):
        code, out = run(arguments, ROOT + "/usage")
        assert code == 2 and word in out and "--identity FILE" in out, (code, out)
    code, out = run("--bus . --identity /nonexistent --cache {0}/c".format(ROOT), ROOT + "/usage")
    assert code == 1 and "mpyd: " in out and "Traceback" not in out, (code, out)


check.run(globals())
