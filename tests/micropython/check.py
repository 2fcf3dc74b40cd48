# The few helpers the tests in this folder share. Each test is a script that MicroPython's unix port runs.

import errno
import os
import sys


def raises(number, f, *args, **kwargs):
    """f(...) raises OSError with this errno."""
    try:
        f(*args, **kwargs)
    except OSError as e:
        assert e.errno == number, "errno {} instead of {}".format(e.errno, number)
        return
    raise AssertionError("no OSError {}".format(number))


def write(path, data):
    with open(path, "wb" if isinstance(data, (bytes, bytearray)) else "w") as f:
        f.write(data)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def remove_tree(path):
    try:
        entries = list(os.ilistdir(path))
    except OSError:
        return
    for entry in entries:
        child = path + "/" + entry[0]
        if entry[1] == 0x4000:
            remove_tree(child)
        else:
            os.remove(child)
    os.rmdir(path)


def folder():
    """An empty folder of this test's own: its argument."""
    path = sys.argv[1]
    remove_tree(path)
    os.mkdir(path)
    return path


def run(tests):
    """Calls every function whose name starts with test_, in order of names; exits with the number of failures."""
    failed = 0
    for name in sorted(n for n in tests if n.startswith("test_")):
        try:
            tests[name]()
            print("ok      ", name)
        except Exception as e:
            failed += 1
            print("FAILED  ", name)
            sys.print_exception(e)
    sys.exit(failed)
