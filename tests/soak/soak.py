"""A long run of the real binary among clients that come, go, stall and die, with a count of everything they are told.

usage: soak.py BINARY [SECONDS [CONNECTIONS [CORES]]]

Subscribers follow channels with recovery. Each publication carries its number in its channel, which is its offset, so every
subscriber knows what it must get next, across all its connections. Some of them end in an orderly way, some reset TCP, some
vanish in the midst of a handshake; some others do not read for a while, on a channel that is flooded. The configuration is
reloaded, good and bad. At the end everybody has everything, memory has not grown and nothing has panicked.

Only Python's standard library: the frames of RFC 6455 are made here by hand.
"""

import asyncio
import base64
import json
import math
import os
import pathlib
import random
import resource
import signal
import struct
import sys
import tempfile
import time

KEY = "k"
CHANNELS = 500
PUBLICATIONS_PER_SECOND = 100
SLOW_READERS = 50
FLOOD_BYTES = 40_000
# Full, so that memory can be flat, long before the first quarter is over; nobody is away for longer.
WINDOW = {"history_size": 20, "history_ttl": "300s"}
CONFIG = {
    "http_api": {"key": KEY},
    "prometheus": {"enabled": True},
    "health": {"enabled": True},
    "client": {"allow_anonymous_connect_without_token": True, "allowed_origins": []},
    "channel": {
        "namespaces": [
            {"name": "rec", "allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True,
             "force_recovery": True, **WINDOW},
            {"name": "open", "allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True},
        ]
    },
}


class Gone(Exception):
    """The connection is over; the code of its close frame, if there was one."""


class Counts:
    """What happened to everybody together."""

    def __init__(self):
        self.delivered = self.recovered = self.connects = self.recoveries = self.pings = 0
        self.lost = self.doubled = self.unrecovered = 0
        self.ends, self.faults = {}, []

    def end(self, why):
        self.ends[why] = self.ends.get(why, 0) + 1

    def fault(self, text):
        self.faults.append(text)


class Socket:
    """A WebSocket of the client protocol."""

    async def open(self, port):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        key = base64.b64encode(random.randbytes(16)).decode()
        self.writer.write(
            f"GET /connection/websocket HTTP/1.1\r\nHost: soak\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = await self.reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise Gone(head.split(b"\r\n")[0].decode())

    def say(self, *commands):
        payload = "\n".join(json.dumps(command, separators=(",", ":")) for command in commands).encode()
        mask = random.randbytes(4)
        size = len(payload)
        head = struct.pack("!BB", 0x81, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x81, 0x80 | 126, size)
        body = bytes(byte ^ mask[at & 3] for at, byte in enumerate(payload))
        self.writer.write(head + mask + body)

    async def hear(self):
        """The replies and pushes of the next message."""
        first, second = await self.reader.readexactly(2)
        size = second & 127
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        payload = await self.reader.readexactly(size)
        if first & 15 == 8:
            raise Gone(struct.unpack("!H", payload[:2])[0] if size >= 2 else None)
        return [json.loads(line) for line in payload.split(b"\n")]

    def reset(self):
        """TCP ends with RST."""
        sock = self.writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SOL_SOCKET, SO_LINGER
        self.writer.transport.abort()

    def close(self):
        self.writer.write(struct.pack("!BB4sH", 0x88, 0x82, b"\0\0\0\0", 1000))
        self.writer.close()


class Subscriber:
    """One client over all its connections."""

    def __init__(self, soak, channel):
        self.soak, self.channel = soak, channel
        self.epoch, self.offset = None, None

    async def live(self):
        await asyncio.sleep(random.random() * self.soak.ramp)
        while not self.soak.is_over:
            socket = Socket()
            try:
                await socket.open(self.soak.port)
                if random.random() < 0.01:
                    socket.reset()
                    self.soak.counts.end("vanished in the handshake")
                    continue
                await asyncio.wait_for(self.follow(socket), random.uniform(10, 90))
            except TimeoutError:
                self.leave(socket)
            except Gone as end:
                self.soak.counts.end(f"told {end}")
            except (OSError, asyncio.IncompleteReadError):
                self.soak.counts.end("cut")
            finally:
                if hasattr(socket, "writer"):
                    socket.writer.close()
            await asyncio.sleep(random.uniform(0, 3))

    def leave(self, socket):
        if random.random() < 0.5:
            socket.close()
            self.soak.counts.end("left")
        else:
            socket.reset()
            self.soak.counts.end("reset")

    async def follow(self, socket):
        request = {"channel": self.channel}
        if self.epoch is not None:
            request |= {"recover": True, "epoch": self.epoch, "offset": self.offset}
        socket.say({"id": 1, "connect": {}}, {"id": 2, "subscribe": request})
        self.soak.counts.connects += 1
        while True:
            for message in await socket.hear():
                self.take(message, socket)

    def take(self, message, socket):
        if not message:
            self.soak.counts.pings += 1
            socket.say({})
        elif "error" in message:
            self.soak.counts.fault(f"{self.channel}: {message}")
        elif "subscribe" in message:
            self.subscribed(message["subscribe"])
        elif "pub" in message.get("push", {}):
            self.soak.counts.delivered += 1
            self.publication(message["push"]["pub"])
        elif "push" in message:
            self.soak.counts.fault(f"{self.channel}: {message}")

    def subscribed(self, result):
        counts = self.soak.counts
        publications = result.get("publications", [])
        if self.epoch is None:
            self.offset = result.get("offset", 0)
        else:
            counts.recoveries += 1
            if not result.get("recovered") or result["epoch"] != self.epoch:
                counts.unrecovered += 1
                counts.fault(f"{self.channel}: not recovered behind {self.offset}: {result}")
                self.offset = result.get("offset", 0)
                publications = []
        self.epoch = result["epoch"]
        counts.recovered += len(publications)
        for publication in publications:
            self.publication(publication)

    def publication(self, publication):
        offset, counts = publication["offset"], self.soak.counts
        if publication["data"] != offset:
            counts.fault(f"{self.channel}: {offset} is {publication['data']}")
        if offset <= self.offset:
            counts.doubled += 1
            counts.fault(f"{self.channel}: {offset} behind {self.offset}")
        elif offset > self.offset + 1:
            counts.lost += offset - self.offset - 1
            counts.fault(f"{self.channel}: {offset} behind {self.offset}")
        self.offset = max(offset, self.offset)


class Soak:
    def __init__(self, binary, seconds, connections, cores):
        self.binary, self.seconds, self.cores = binary, seconds, cores
        self.ramp = min(60, seconds / 10)
        self.counts, self.is_over = Counts(), False
        self.tops = [0] * CHANNELS
        self.subscribers = [Subscriber(self, f"rec:{at % CHANNELS}") for at in range(connections)]
        self.samples = []

    async def start(self):
        self.folder = tempfile.TemporaryDirectory()
        self.config = pathlib.Path(self.folder.name) / "config.json"
        self.config.write_text(json.dumps(CONFIG))
        arguments = ["--config", self.config, "--address", "127.0.0.1", "--port", "0", "--cores", str(self.cores)]
        self.process = await asyncio.create_subprocess_exec(self.binary, *arguments, stdout=asyncio.subprocess.PIPE)
        while True:
            message = json.loads(await self.process.stdout.readline())["message"]
            if message.startswith("serving"):
                break
        self.port = int(message.rsplit(":", 1)[1])
        self.log = asyncio.create_task(self.process.stdout.read())

    async def request(self, method, path, body=""):
        """Over a connection that is kept."""
        if not hasattr(self, "api"):
            self.api, self.lock = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22), asyncio.Lock()
        reader, writer = self.api
        async with self.lock:
            head = f"{method} {path} HTTP/1.1\r\nHost: soak\r\nX-API-Key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write((head + body).encode())
            answer = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(int(line.split(": ")[1]) for line in answer.split("\r\n") if line.startswith("Content-Length"))
            return (await reader.readexactly(length)).decode()

    async def publish(self):
        while not self.is_over:
            at = random.randrange(CHANNELS)
            self.tops[at] += 1
            body = json.dumps({"channel": f"rec:{at}", "data": self.tops[at]})
            answer = json.loads(await self.request("POST", "/api/publish", body))
            if answer.get("result", {}).get("offset") != self.tops[at]:
                self.counts.fault(f"rec:{at}: {self.tops[at]} was answered {answer}")
            await asyncio.sleep(1 / PUBLICATIONS_PER_SECOND)

    async def flood(self):
        body = json.dumps({"channel": "open:flood", "data": "x" * FLOOD_BYTES})
        while not self.is_over:
            await self.request("POST", "/api/publish", body)
            await asyncio.sleep(0.2)

    async def read_slowly(self):
        """Stops reading for up to a minute, which the server bears or ends with 3008 or 3009."""
        while not self.is_over:
            socket = Socket()
            try:
                await socket.open(self.port)
                socket.say({"id": 1, "connect": {}}, {"id": 2, "subscribe": {"channel": "open:flood"}})
                await socket.hear()
                await asyncio.sleep(random.uniform(5, 60))
                while True:
                    await asyncio.wait_for(socket.hear(), 30)
            except (Gone, OSError, asyncio.IncompleteReadError, TimeoutError):
                self.counts.end("slow reader")
            finally:
                if hasattr(socket, "writer"):
                    socket.writer.transport.abort()
            await asyncio.sleep(1)

    async def reload(self):
        is_good = True
        while not self.is_over:
            await asyncio.sleep(15)
            self.config.write_text(json.dumps(CONFIG) if is_good else '{"client": {"channel_limit": "many"}}')
            self.process.send_signal(signal.SIGHUP)
            is_good = not is_good

    async def sample(self):
        began = time.monotonic()
        while not self.is_over:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
            kib = int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon")))
            descriptors = len(os.listdir(f"/proc/{self.process.pid}/fd"))
            self.samples.append((time.monotonic() - began, kib, descriptors))
            await asyncio.sleep(1)

    async def metric(self, name):
        lines = (await self.request("GET", "/metrics")).splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + " "))

    async def run(self):
        await self.start()
        tasks = [self.publish(), self.flood(), self.reload(), self.sample()]
        tasks += [self.read_slowly() for _ in range(SLOW_READERS)]
        tasks = [asyncio.create_task(task) for task in tasks]
        clients = [asyncio.create_task(subscriber.live()) for subscriber in self.subscribers]
        for minute in range(math.ceil(self.seconds / 60)):
            await asyncio.sleep(min(60, self.seconds - minute * 60))
            _, kib, descriptors = self.samples[-1]
            print(f"{minute + 1} min: {self.counts.delivered} delivered, {self.counts.recoveries} recoveries, "
                  f"{kib} KiB, {descriptors} descriptors, {len(self.counts.faults)} faults", flush=True)
        for task in tasks[:3]:
            task.cancel()
        await asyncio.gather(*tasks[:3], return_exceptions=True)
        await self.settle()
        panics = await self.metric("corecast_connection_panics_total")
        self.is_over = True
        for task in tasks + clients:
            task.cancel()
        await asyncio.gather(*tasks, *clients, return_exceptions=True)
        self.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self.process.wait(), 60)
        return self.judge(panics, code)

    async def settle(self):
        """Whoever is away comes back: then everybody has everything."""
        behind = []
        for _ in range(1200):
            behind = [s for at, s in enumerate(self.subscribers) if s.offset is not None and s.offset != self.tops[at % CHANNELS]]
            if not behind:
                return
            await asyncio.sleep(0.1)
        for one in behind:
            self.counts.fault(f"{one.channel}: it never got more than {one.offset}")

    def slope(self):
        """KiB per hour behind the first quarter, and what of it is noise (two standard errors)."""
        samples = [(at, kib) for at, kib, _ in self.samples if at > self.seconds / 4]
        count = len(samples)
        mean_at, mean = (sum(sample[axis] for sample in samples) / count for axis in (0, 1))
        spread = sum((at - mean_at) ** 2 for at, _ in samples)
        slope = sum((at - mean_at) * (kib - mean) for at, kib in samples) / spread
        # Neighbours are alike: as if there were one sample a minute.
        rest = sum((kib - mean - slope * (at - mean_at)) ** 2 for at, kib in samples) / max(count - 2, 1)
        return slope * 3600, 2 * 3600 * (rest * 60 / spread) ** 0.5

    def judge(self, panics, code):
        counts, (slope, noise) = self.counts, self.slope()
        memory = [kib for at, kib, _ in self.samples if at > self.seconds / 4]
        print(f"publications {sum(self.tops)}, delivered {counts.delivered} live and {counts.recovered} recovered")
        print(f"connections {counts.connects}, recoveries {counts.recoveries}, pings {counts.pings}, ends {counts.ends}")
        print(f"lost {counts.lost}, doubled {counts.doubled}, not recovered {counts.unrecovered}, panics {panics:.0f}, "
              f"exit code {code}")
        print(f"memory {min(memory)} to {max(memory)} KiB, slope {slope:+.0f} KiB per hour, noise {noise:.0f}")
        for fault in counts.faults[:20]:
            print("fault:", fault)
        is_flat = slope <= max(noise, 1024)
        is_good = not counts.faults and panics == 0 and code == 0 and is_flat
        print("soak: passed" if is_good else f"soak: FAILED, {len(counts.faults)} faults, memory {'flat' if is_flat else 'grows'}")
        return is_good


def main():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    numbers = [float(text) for text in sys.argv[2:]]
    seconds, connections, cores = (numbers + [1200, 5000, 2][len(numbers):])[:3]
    soak = Soak(sys.argv[1], seconds, int(connections), int(cores))
    sys.exit(0 if asyncio.run(soak.run()) else 1)


main()
