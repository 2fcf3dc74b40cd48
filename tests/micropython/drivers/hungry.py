# Wants more memory than there is.
HOARD = bytearray(100_000_000)


def attach(board):
    return board


def detach(device):
    pass
