# Raises wherever its board's configuration says.


def attach(board):
    if board.config == b"attach":
        raise ValueError("raised on purpose")
    return board.config


def detach(device):
    if device == b"detach":
        raise ValueError("raised on purpose")
