# Looks at all it is given, and tries what it may not do.
import errno


class Curious:
    def __init__(self, board):
        self.board = board
        self.seen = (board.address, board.slot, board.hardware_id, board.revision, board.serial, board.config)
        board.log("attached to slot", board.slot)

    def __len__(self):
        return len(self.seen)

    def __getitem__(self, index):
        return self.seen[index]

    def __iter__(self):
        return iter(self.seen)

    def __call__(self, value, *, times=1):
        return value * times

    def write_identity(self):
        self.board.bus.writeto_mem(self.board.address, 0, b"\x00", addrsize=16)


def attach(board):
    return Curious(board)


def detach(device):
    if hasattr(device, "poll_from_detach"):
        device.poll_from_detach()
