"""Twice as much as the server can do: it goes on at its capacity within its memory, and is itself again right afterwards.

usage: overload.py BINARY [SECONDS [SUBSCRIBERS]]

One core serves. Each request is a broadcast to a hundred channels with history, so that the server is busy long before the
clients are. Publishers write without waiting for answers, on connections that TCP holds back when the server does not read on:
first as fast as it takes them, which tells the capacity; then twice that for some time; then little. Subscribers of one of
the channels count what arrives and how old it is.

Only Python's standard library.
"""

import json
import multiprocessing
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

KEY = "k"
PUBLISHERS = 8
CAPACITY_SECONDS = 5
# Of capacity, while it recovers.
LITTLE = 0.05
RECOVERED_WITHIN = 10
# As old as this is a publication at most when all is well.
FRESH = 0.05
# What one connection may take while its peer is slower than the server, or the server than its peer.
ROOM_KIB = 2048
CONFIG = {
    "http_api": {"key": KEY},
    "prometheus": {"enabled": True},
    "health": {"enabled": True},
    "client": {"allow_anonymous_connect_without_token": True, "allowed_origins": [], "ping_interval": "1h"},
    "channel": {
        "without_namespace": {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True},
        "namespaces": [{"name": "kept", "history_size": 10, "history_ttl": "60s"}],
    },
}
REQUEST = "POST /api/broadcast HTTP/1.1\r\nHost: load\r\nX-API-Key: {key}\r\nContent-Length: {length}\r\n\r\n{body}"
# Every message has one size, so arrivals are counted by their bytes.
BODY = json.dumps({"channels": ["load"] + [f"kept:{at}" for at in range(99)]})[:-1] + ',"data":%020d}'
FRAME = 2 + len('{"push":{"channel":"load","pub":{"data":%020d}}}' % 0)


def nanoseconds():
    # Twenty digits that do not begin with zero: JSON.
    return 10**19 + time.monotonic_ns()


class Readers(multiprocessing.Process):
    """All subscribers, on another CPU than the server's."""

    def __init__(self, port, subscribers):
        super().__init__(daemon=True)
        self.port, self.subscribers = port, subscribers
        self.received = multiprocessing.Value("Q", lock=False)
        self.age = multiprocessing.Value("d", lock=False)
        self.lost = multiprocessing.Value("Q", lock=False)
        self.ready = multiprocessing.Event()

    def run(self):
        poll, sockets, buffer = select.epoll(), {}, bytearray(1 << 20)
        for _ in range(self.subscribers):
            one = self.subscribe()
            sockets[one.fileno()] = one
            poll.register(one, select.EPOLLIN)
        first = next(iter(sockets))
        self.ready.set()
        while True:
            for fd, _ in poll.poll():
                size = sockets[fd].recv_into(buffer)
                if size == 0:
                    self.lost.value += 1
                    poll.unregister(fd)
                self.received.value += size
                if fd == first:
                    self.look(bytes(buffer[max(0, size - 2 * FRAME):size]))

    def look(self, tail):
        at = tail.rfind(b'"data":1')
        digits = tail[at + 7:at + 27]
        if at >= 0 and len(digits) == 20:
            self.age.value = (nanoseconds() - int(digits)) / 1e9

    def subscribe(self):
        one = socket.create_connection(("127.0.0.1", self.port))
        one.sendall(b"GET /connection/websocket HTTP/1.1\r\nHost: load\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        text = b'{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"load"}}'
        one.sendall(bytes([0x81, 0x80 | len(text)]) + bytes(4) + text)
        answer = b""
        while b'"id":2,"subscribe"' not in answer:
            answer += one.recv(4096)
        return one


class Publisher:
    """A connection that is written to without waiting."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        # What waits in the kernel is not the server's.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)
        self.socket.setblocking(False)
        self.rest, self.bad = memoryview(b""), 0

    def offer(self, count):
        """Takes so many publications over unless former ones still wait; tells how many."""
        if len(self.rest) > 0 or count <= 0:
            return 0
        body = BODY % nanoseconds()
        one = REQUEST.format(key=KEY, length=len(body), body=body).encode()
        self.rest = memoryview(one * count)
        return count

    def move(self):
        try:
            if len(self.rest) > 0:
                self.rest = self.rest[self.socket.send(self.rest):]
        except BlockingIOError:
            pass
        try:
            answer = self.socket.recv(1 << 18)
            if not answer:
                raise ConnectionError("a publisher was cut")
            self.bad += answer.count(b'"error"') + answer.count(b"HTTP/1.1 5")
        except BlockingIOError:
            pass


class Overload:
    def __init__(self, binary, seconds, subscribers):
        self.seconds, self.subscribers = seconds, subscribers
        self.folder = tempfile.TemporaryDirectory()
        config = pathlib.Path(self.folder.name) / "config.json"
        config.write_text(json.dumps(CONFIG))
        arguments = ["--config", config, "--address", "127.0.0.1", "--port", "0", "--cores", "1"]
        self.process = subprocess.Popen([binary, *arguments], stdout=subprocess.PIPE)
        while True:
            message = json.loads(self.process.stdout.readline())["message"]
            if message.startswith("serving"):
                break
        self.port = int(message.rsplit(":", 1)[1])
        # The server's core is the first one.
        others = sorted(os.sched_getaffinity(0))[1:]
        if others:
            os.sched_setaffinity(0, others)
        self.readers = Readers(self.port, subscribers)
        self.readers.start()
        self.readers.ready.wait()
        self.publishers = [Publisher(self.port) for _ in range(PUBLISHERS)]

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon")))

    def is_ready(self):
        with socket.create_connection(("127.0.0.1", self.port)) as one:
            one.sendall(b"GET /health/ready HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n")
            return one.recv(4096).startswith(b"HTTP/1.1 200")

    def load(self, rate, seconds, is_over=lambda: False):
        """Offers `rate` publications per second (`None`: as many as are taken) and tells how it went."""
        began, offered, most, ages = time.monotonic(), 0, 0, []
        received, cpu, looked = self.readers.received.value, self.cpu(), 0
        while (passed := time.monotonic() - began) < seconds and not is_over():
            due = int(rate * passed) - offered if rate else 16 * PUBLISHERS
            for at, publisher in enumerate(self.publishers):
                offered += publisher.offer(min(16, due // PUBLISHERS + (at < due % PUBLISHERS)))
                publisher.move()
            if passed - looked >= 0.1:
                looked, most = passed, max(most, self.memory())
                ages.append(self.readers.age.value)
            if rate:
                time.sleep(0.0005)
        passed = time.monotonic() - began
        ages.sort()
        return {
            "seconds": passed,
            "taken": offered / passed,
            "delivered": (self.readers.received.value - received) / FRAME / passed,
            "cpu": (self.cpu() - cpu) / passed,
            "memory": most,
            "age": ages[len(ages) // 2] if ages else 0,
            "oldest": ages[-1] if ages else 0,
        }

    def show(self, what, result):
        print(f"{what}: {result['taken']:,.0f} broadcasts/s taken, {result['delivered']:,.0f} deliveries/s, "
              f"{result['cpu']:.2f} of the core, {result['memory']:,} KiB, "
              f"half of all at most {result['age'] * 1000:.1f} ms old, the oldest {result['oldest'] * 1000:.0f} ms", flush=True)

    def run(self):
        idle = self.memory()
        self.load(None, 1)
        capacity = self.load(None, CAPACITY_SECONDS)
        self.show("as much as it takes", capacity)
        twice = self.load(2 * capacity["taken"], self.seconds)
        self.show("twice as much offered", twice)
        ended = time.monotonic()
        # What publishers had not sent is not sent any more.
        refused = sum(publisher.bad for publisher in self.publishers)
        for publisher in self.publishers:
            publisher.socket.close()
        self.publishers = [Publisher(self.port)]
        little = LITTLE * capacity["taken"]
        self.load(little, RECOVERED_WITHIN, lambda: self.readers.age.value < FRESH and self.is_ready())
        recovered = time.monotonic() - ended
        after = self.load(little, 3)
        self.show("little again", after)
        print(f"{idle:,} KiB before, itself again after {recovered:.2f} s, "
              f"{self.readers.lost.value} of {self.subscribers} subscribers cut")
        checks = {
            "it does not serve at its capacity": twice["delivered"] > 0.8 * capacity["delivered"],
            "memory is not bounded": twice["memory"] < idle + ROOM_KIB * (self.subscribers + PUBLISHERS),
            "it does not recover": recovered < RECOVERED_WITHIN and after["age"] < FRESH,
            "subscribers that read were cut": self.readers.lost.value == 0,
            "publications were refused": refused == 0,
        }
        self.process.send_signal(signal.SIGTERM)
        checks["it did not end well"] = self.process.wait(60) == 0
        faults = [fault for fault, holds in checks.items() if not holds]
        print("overload: passed" if not faults else f"overload: FAILED, {faults}")
        return not faults


def main():
    numbers = [int(text) for text in sys.argv[2:]]
    seconds, subscribers = (numbers + [20, 20][len(numbers):])[:2]
    sys.exit(0 if Overload(sys.argv[1], seconds, subscribers).run() else 1)


main()
