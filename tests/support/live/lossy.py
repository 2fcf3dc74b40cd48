"""A bad cable for a motherboard under QEMU: every Ethernet frame of either direction passes through this program, which
drops some of them. QEMU hands frames out and takes them back over sockets, four bytes of length before each."""

import random
import socket
import struct
import threading


class LossyCable:
    """Give `arguments` to deploy/motherboard; `close` when it has ended. Counts what it dropped and let pass."""

    def __init__(self, folder, loss, seed=1):
        self.loss = loss
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.dropped = self.passed = 0
        self.sockets = []
        self.arguments = []
        self._add("-nic", "user,id=cable,model=lan9118")
        for queue in ("tx", "rx"):
            for end in ("out", "in"):
                name = f"{queue}-{end}"
                listener = socket.socket(socket.AF_UNIX)
                listener.bind(str(folder / name))
                listener.listen(1)
                self.sockets.append(listener)
                self._add("-chardev", f"socket,id={name},path={folder / name}")
            self._add("-object", f"filter-redirector,id={queue},netdev=cable,queue={queue},outdev={queue}-out,indev={queue}-in")
            threading.Thread(target=self._carry, args=self.sockets[-2:], daemon=True).start()

    def _add(self, *words):
        for word in words:
            self.arguments += ["--qemu=" + word]

    def _carry(self, from_listener, to_listener):
        try:
            source = from_listener.accept()[0]
            sink = to_listener.accept()[0]
            self.sockets += [source, sink]
            stream = source.makefile("rb")
            while head := stream.read(4):
                frame = stream.read(struct.unpack("!I", head)[0])
                with self.lock:
                    drop = self.random.random() < self.loss
                    self.dropped += drop
                    self.passed += not drop
                if not drop:
                    sink.sendall(head + frame)
        except OSError:
            pass  # closed

    def close(self):
        for one in self.sockets:
            one.close()
