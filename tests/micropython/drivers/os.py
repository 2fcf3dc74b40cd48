# Named like a module of MicroPython, which must not notice.
HIJACKED = True


def listdir(path="."):
    return ["hijacked"]


def attach(board):
    return listdir


def detach(device):
    pass
