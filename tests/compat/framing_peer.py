"""One row played against a server over a raw socket, and what was seen of it."""

import http.client
import json
import socket
import threading
import time

from framing_row import CHANNEL, CLOSED, CUT, FRAMES, HOST, OPEN, TORN

PATIENCE_SECONDS, CLOSE_SECONDS = 10, 2
WHOLE, BY_BYTE = "whole", "byte by byte"
FOLLOW_UP, FOLLOW_UP_STATUS = b"GET /the-end HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", 404
PING, PONG, CLOSE_FRAME = b"\x89\x82\0\0\0\0hi", b"\x8a\x02hi", b"\x88"


class Fault(Exception):
    """What came is no answer."""


class Line:
    """A connection to the server."""

    def __init__(self, address, patience):
        self.socket = socket.create_connection(address, patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.patience, self.received, self.at_end = patience, b"", False

    def send(self, data, mode):
        try:
            if mode == WHOLE:
                self.socket.sendall(data)
            else:
                for at in range(len(data)):
                    self.socket.send(data[at : at + 1])
        except OSError:
            pass  # The server has closed: what it said before is what counts.

    def end_sending(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def receive(self, deadline):
        """Takes in more; False at the end of the stream. TimeoutError when nothing comes."""
        if self.at_end:
            return False
        self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        self.received += data
        self.at_end = not data
        return bool(data)

    def answer(self, is_bodiless, patience=None):
        """The status of the next answer and whether it is said to be the last; None at the end of the stream."""
        deadline = time.monotonic() + (patience or self.patience)
        while b"\r\n\r\n" not in self.received:
            if not self.receive(deadline):
                if self.received:
                    raise Fault(f"left over: {self.received[:60]!r}")
                return None
        head, rest = self.received.split(b"\r\n\r\n", 1)
        first, *lines = head.split(b"\r\n")
        words = first.split(b" ", 2)
        if len(words) < 3 or words[0] != b"HTTP/1.1" or not words[1].isdigit():
            raise Fault(f"no status line: {first[:60]!r}")
        status = int(words[1])
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        has_body = status >= 200 and not is_bodiless
        if status >= 200 and b"content-length" not in fields:
            raise Fault(f"an answer without length: {first!r}")
        length = int(fields[b"content-length"]) if has_body else 0
        while len(rest) < length:
            if not self.receive(deadline):
                raise Fault("a body that breaks off")
            rest = self.received.split(b"\r\n\r\n", 1)[1]
        self.received = rest[length:]
        return status, fields.get(b"connection", b"").lower() == b"close"

    def first(self, count, patience):
        """The next bytes, fewer at the end of the stream."""
        deadline = time.monotonic() + patience
        while len(self.received) < count and self.receive(deadline):
            pass
        return self.received[:count]

    def rest(self, patience):
        """Waits for the end of the stream."""
        deadline = time.monotonic() + patience
        while self.receive(deadline):
            pass


class Peer:
    """A server under test."""

    def __init__(self, address, patience=PATIENCE_SECONDS, close_patience=CLOSE_SECONDS):
        self.address, self.patience, self.close_patience = address, patience, close_patience
        self.lock, self.channels = threading.Lock(), 0

    def channel(self):
        with self.lock:
            self.channels += 1
            return b"hist:%08d" % self.channels

    def published(self, channel):
        """How many publications the channel has seen."""
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE_SECONDS)
        body = json.dumps({"channel": channel.decode(), "limit": 0})
        connection.request("POST", "/api/history", body, {"X-API-Key": "k"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer["result"].get("offset", 0)

    def play(self, row, mode):
        """What was expected and what was seen, as texts that are equal when the row passes."""
        channel = self.channel()
        line = Line(self.address, self.patience)
        try:
            seen = self.exchange(line, row, mode, channel)
        finally:
            line.socket.close()
        expected = f"{row.answers} {row.end}, {row.published} published"
        return expected, f"{seen}, {self.published(channel)} published"

    def exchange(self, line, row, mode, channel):
        statuses, lasts = [], []

        def next_answer(patience=None):
            found = line.answer(len(statuses) in row.bodiless, patience)
            if found:
                statuses.append(found[0])
                lasts.append(found[1])
            return found

        try:
            for sent, answers in row.pieces:
                line.send(sent.replace(CHANNEL, channel), mode)
                for _ in answers:
                    if not next_answer():
                        return f"{statuses} closed early"
            end = self.end(line, row, mode, statuses, lasts, next_answer)
        except TimeoutError:
            end = "and silence"
        except Fault as fault:
            end = f"and {fault}"
        return f"{statuses} {end}"

    def end(self, line, row, mode, statuses, lasts, next_answer):
        """Proves what has become of the connection behind the answers."""
        if row.end == OPEN:
            if any(lasts):
                return "said to be closed"
            line.send(FOLLOW_UP, mode)
            while next_answer():
                pass
            return OPEN if statuses and statuses.pop() == FOLLOW_UP_STATUS else "without an answer to what follows"
        if row.end in (FRAMES, TORN):
            if row.end == FRAMES:
                line.send(PING, mode)
            expected = PONG if row.end == FRAMES else CLOSE_FRAME
            got = line.first(len(expected), self.patience)
            line.end_sending()
            line.rest(self.patience)
            return row.end if got == expected else f"and {got!r}"
        if row.end == CUT:
            line.end_sending()
        try:
            while next_answer(self.close_patience):
                pass
        except TimeoutError:
            return "left open"
        if row.end == CLOSED and not lasts[-1:] == [True]:
            return "closed without saying so"
        return row.end
