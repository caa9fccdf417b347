"""What every live check needs: the real binary with a configuration, tokens, and comparisons that say what was expected."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import pathlib
import signal
import socket
import tempfile

HERE = pathlib.Path(__file__).parent
PATIENCE = 20
KEY, GRPC_KEY = "k", "grpc-k"

OPEN = {
    "allow_subscribe_for_client": True,
    "allow_subscribe_for_anonymous": True,
    "allow_publish_for_subscriber": True,
    "allow_publish_for_anonymous": True,
}
HISTORY = {"history_size": 5, "history_ttl": "300s"}

CONFIG = {
    "http_api": {"key": KEY},
    "grpc_api": {"enabled": True, "address": "127.0.0.1", "key": GRPC_KEY, "reflection": True},
    "client": {
        "allowed_origins": [],
        "token": {"hmac_secret_key": "secret"},
        "allow_anonymous_connect_without_token": True,
    },
    "channel": {
        "namespaces": [
            {"name": "open", **OPEN},
            {"name": "closed"},
            {"name": "hist", **OPEN, **HISTORY},
            {"name": "pres", **OPEN, "presence": True},
            {"name": "rec", **OPEN, **HISTORY, "force_recovery": True},
            {"name": "plain", **OPEN},
            {"name": "delta", **OPEN, **HISTORY, "force_recovery": True, "allowed_delta_types": ["fossil"], "delta_publish": True},
        ]
    },
}


def jwt(**claims):
    encode = lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=")
    head = encode(b'{"alg":"HS256","typ":"JWT"}') + b"." + encode(json.dumps(claims).encode())
    return (head + b"." + encode(hmac.new(b"secret", head, hashlib.sha256).digest())).decode()


def expect(what, got, expected):
    """A check that fails says what it looked at."""
    if got != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {got!r}")


async def eventually(what, ask, expected):
    """For what follows the end of a connection: nobody is told when the server has seen it."""
    got = None
    for _ in range(PATIENCE * 20):
        got = await ask()
        if got == expected:
            return
        await asyncio.sleep(0.05)
    expect(what, got, expected)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


async def in_thread(call, *arguments):
    return await asyncio.get_running_loop().run_in_executor(None, call, *arguments)


def configured(config):
    """The check gets a server with this configuration."""

    def mark(check):
        check.config = config
        return check

    return mark


async def output_of(*command, patience=PATIENCE, **environment):
    """Exit code and lines of a program, which is ended when it takes too long."""
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.STDOUT}
    process = await asyncio.create_subprocess_exec(*command, **pipes, env=os.environ | environment)
    try:
        text, _ = await asyncio.wait_for(process.communicate(), patience)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, text.decode().splitlines()


class Server:
    """The binary with the configuration above or another, on ports that are free."""

    async def start(self, binary, cores, extra=None, config=CONFIG):
        """`extra` holds further members of sections of the configuration."""
        self.binary, self.cores = binary, cores
        self.folder = tempfile.TemporaryDirectory()
        config = json.loads(json.dumps(config))
        if "grpc_api" in config:
            config["grpc_api"]["port"] = free_port()
            self.grpc = f"127.0.0.1:{config['grpc_api']['port']}"
        for section, members in (extra or {}).items():
            config[section].update(members)
        path = pathlib.Path(self.folder.name) / "config.json"
        path.write_text(json.dumps(config))
        arguments = ["--config", path, "--address", "127.0.0.1", "--port", "0", "--cores", str(cores)]
        self.process = await asyncio.create_subprocess_exec(binary, *arguments, stdout=asyncio.subprocess.PIPE)
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
            assert line, "the server ended before it served"
            message = json.loads(line)["message"]
            if message.startswith("serving"):
                break
        self.base = message.rsplit(" ", 1)[1]
        self.websocket = f"ws://{self.base}/connection/websocket"
        self.api = f"http://{self.base}/api"
        self.drain = asyncio.create_task(self.process.stdout.read())

    async def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self.process.wait(), PATIENCE)
        self.folder.cleanup()
        return code


class Proxy:
    """A line to the server that can be cut: its connections are torn, and new ones end at once until it is mended."""

    async def start(self, server):
        self.host, self.port = server.rsplit(":", 1)
        self.is_cut, self.ends = False, set()
        self.listener = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.address = "127.0.0.1:%d" % self.listener.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        self.ends.add(writer)
        try:
            if self.is_cut:
                return
            from_server, to_server = await asyncio.open_connection(self.host, self.port)
            self.ends.add(to_server)
            if not self.is_cut:
                await asyncio.gather(self.pump(reader, to_server), self.pump(from_server, writer))
            to_server.transport.abort()
            self.ends.discard(to_server)
        except OSError:
            pass  # torn
        finally:
            writer.transport.abort()
            self.ends.discard(writer)

    async def pump(self, reader, writer):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    def cut(self):
        self.is_cut = True
        for end in self.ends:
            end.transport.abort()

    def mend(self):
        self.is_cut = False

    async def stop(self):
        self.cut()
        self.listener.close()
        await self.listener.wait_closed()
