"""A man in the middle between motherboards and their server: he sees whole requests and makes up the answers."""

import contextlib
import socket
import struct
import threading


class Request:
    """One HTTP request as the agent sends it: a head, then as many bytes as Content-Length says."""

    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        self.bytes = data
        self.path = head.split(b" ", 2)[1].decode()


class Network:
    """Listens on `port` and passes requests to the server at `target_port`, unless `answer` has other ideas.

    `answer(request, forward)` returns the bytes of the answer, or yields them piece by piece; `forward()` asks the
    server. Yielding None breaks the connection with a reset. `requests` keeps every request that came.
    """

    def __init__(self, target_port):
        self.target_port = target_port
        self.answer = None
        self.requests = []
        self.sent = 0  # bytes that a device took
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def asked_for(self, prefix):
        return [request for request in self.requests if request.path.startswith(prefix)]

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError), client:
            request = Request(read_request(client))
            self.requests.append(request)
            answer = self.answer or (lambda _, forward: forward())
            said = answer(request, lambda: self.forward(request.bytes))
            for piece in [said] if isinstance(said, bytes) else said:
                if piece is None:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                client.sendall(piece)
                self.sent += len(piece)

    def forward(self, data):
        with socket.create_connection(("127.0.0.1", self.target_port), timeout=20) as server:
            server.sendall(data)
            answer = b""
            while piece := server.recv(65536):
                answer += piece
            return answer


def read_request(client):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(65536)
        if not piece:
            raise OSError("no request")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            while len(body) < int(value):
                piece = client.recv(65536)
                if not piece:
                    raise OSError("half a request")
                body += piece
    return head + b"\r\n\r\n" + body


def response(body, *headers, status="200 OK", length=None):
    """An HTTP answer; `length` is what it claims, if not the truth."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def body_of(answer):
    return answer.partition(b"\r\n\r\n")[2]
