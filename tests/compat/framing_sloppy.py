"""A server that reads HTTP/1.1 as many small ones do: lines end where a line feed is, numbers are what `int` takes, the last
field of a name counts, and what is odd is skipped. The table has to find it out."""

import json
import re
import socketserver
import threading


class Sloppy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Connection)
        self.published, self.lock = {}, threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # A connection that breaks is no news here.


class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        while self.request_is_served():
            pass

    def request_is_served(self):
        """False when the connection is over."""
        words = []
        while not words:
            line = self.rfile.readline()
            if not line:
                return False
            words = line.split()
        fields = self.fields()
        if len(words) < 2:
            return self.answer(400, b"", "close")
        method, target = words[0], words[1].split(b"?")[0].split(b"#")[0]
        body = self.body(fields)
        status, text = self.route(method, target, body)
        is_last = b"close" in fields.get(b"connection", b"") or words[-1] == b"HTTP/1.0"
        return self.answer(status, b"" if method == b"HEAD" else text, "close" if is_last else "keep-alive")

    def fields(self):
        fields, name = {}, b""
        while line := self.rfile.readline().rstrip(b"\r\n"):
            if line[:1] in b" \t":
                fields[name] = fields.get(name, b"") + line
                continue
            name, _, value = line.partition(b":")
            name = name.strip().lower()
            fields[name] = value.strip()
        return fields

    def body(self, fields):
        if fields.get(b"expect", b"").lower() == b"100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if b"chunked" not in fields.get(b"transfer-encoding", b"").lower():
            digits = re.search(rb"\d+", fields.get(b"content-length", b""))
            return self.rfile.read(min(int(digits[0]), 1 << 20) if digits else 0)
        data = b""
        while size := int(self.rfile.readline().split(b";")[0].strip() or b"0", 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.fields()
        return data

    def route(self, method, target, body):
        if target.endswith(b"/health"):
            return 200, b"{}"
        if not target.startswith(b"/api/"):
            return 404, b"nothing\n"
        if method.upper() != b"POST":
            return 405, b""
        try:
            channel = json.loads(body)["channel"]
        except (ValueError, KeyError, TypeError):
            return 400, b"Bad Request\n"
        with self.server.lock:
            count = self.server.published.get(channel, 0) + (target == b"/api/publish")
            self.server.published[channel] = count
        return 200, json.dumps({"result": {"offset": count}}).encode()

    def answer(self, status, text, connection):
        head = f"HTTP/1.1 {status} -\r\nContent-Length: {len(text)}\r\nConnection: {connection}\r\n\r\n"
        self.wfile.write(head.encode() + text)
        return connection != "close"
