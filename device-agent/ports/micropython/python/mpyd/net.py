# The core's one TCP connection, never waiting. Looking up a name may wait: give the server's address where
# that matters.

import errno

_NOT_YET = (errno.EAGAIN, errno.EINPROGRESS, errno.ENOTCONN)


class SocketTransport:
    def __init__(self):
        self._socket = None

    def open(self, host, port):
        import socket

        self.close()
        address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0][-1]
        self._socket = s = socket.socket()
        s.setblocking(False)
        try:
            s.connect(address)
        except OSError as e:
            if e.errno not in _NOT_YET:
                self.close()
                raise

    def send(self, data):
        try:
            return self._socket.send(data)
        except OSError as e:
            if e.errno not in _NOT_YET:
                raise
            return 0

    def receive(self, buffer):
        try:
            count = self._socket.readinto(buffer)
        except OSError as e:
            if e.errno not in _NOT_YET:
                raise
            return 0
        if count == 0:
            raise OSError(errno.ECONNRESET)
        return count  # None: nothing yet

    def close(self):
        if self._socket:
            self._socket.close()
            self._socket = None
