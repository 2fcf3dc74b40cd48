# Inside MicroPython: loads every .mpy of a file that mpy_mutants wrote, from a given one on, and says before each
# which one it is, so that whoever watches knows what a hang or a crash was about.
import gc
import struct
import sys

import mpyd_test

PER_PROCESS = 4000  # interned names never return


def main(path, first):
    reported = {}
    with open(path, "rb") as file:
        index = 0
        while index < first + PER_PROCESS:
            size = file.read(4)
            if not size:
                break
            mpy = file.read(struct.unpack("<I", size)[0])
            if index >= first:
                print(index)
                try:
                    mpyd_test.load(mpy)
                except Exception as error:
                    key = repr(error)
                    reported[key] = reported.get(key, 0) + 1
            index += 1
        else:
            print("more")
    print("done", reported)


main(sys.argv[1], int(sys.argv[2]))
