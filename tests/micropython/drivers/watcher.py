# Compiled with -X emit=native: what a driver does by itself, in a task or called by a timer.
import asyncio


class Watcher:
    def __init__(self, board):
        self.bus = board.bus
        self.seen = 0

    async def watch(self):
        while True:
            self.seen += len(self.bus.readfrom_mem(0x48, 0, 2))
            await asyncio.sleep_ms(0)

    def on_timer(self, _):
        self.seen += len(self.bus.readfrom_mem(0x48, 0, 2))


def attach(board):
    return Watcher(board)


def detach(device):
    pass
