# Compiled with -X emit=native: functions, a class, a closure and a generator of native code.


class Counter:
    def __init__(self, board):
        self.board = board
        self.count = 0

    def next(self):
        self.count += 1
        return self.count

    def adder(self, step):
        def add(value):
            return value + step

        return add

    def numbers(self):
        while True:
            yield self.next()


def attach(board):
    return Counter(board)


def detach(device):
    device.count = -1
