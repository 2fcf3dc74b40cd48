# Named like a module of the application, which must not notice.
HIJACKED = True


def raises(*args):
    return "hijacked"


def attach(board):
    return board


def detach(device):
    pass
