"""Runs each suite against servers of its own and sums up; see run.sh.

usage: compat.py BINARY [full|quick]
"""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
VENV = HERE / ".venv"
PATIENCE = 20
# Cases 9.1.6 and 9.2.6 are one message of this size.
MESSAGE_BYTES = 16 << 20
# Compression is in 12 and 13; those of 1 to 11 run without it, as the suite's own examples do.
PLAIN, DEFLATE, SAMPLE = "*", "12.*,13.*", "12.1.*,13.7.*"
# Those of 9 are about speed and take most of the time of the others together.
LONG = "9.*"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    """The binary with its echo endpoint and its GRPC port, on ports that are free."""

    def __init__(self, binary, cores, compression):
        self.folder = tempfile.TemporaryDirectory()
        self.grpc_port = free_port()
        config = {
            "http_api": {"key": "k"},
            "health": {"enabled": True},
            "grpc_api": {"enabled": True, "address": "127.0.0.1", "port": self.grpc_port},
            "websocket": {"message_size_limit": MESSAGE_BYTES, "compression": compression},
            "corecast": {"echo": {"enabled": True}},
        }
        path = pathlib.Path(self.folder.name) / "config.json"
        path.write_text(json.dumps(config))
        arguments = ["--config", path, "--address", "127.0.0.1", "--port", "0", "--cores", str(cores)]
        self.process = subprocess.Popen([binary, *arguments], stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            message = json.loads(line)["message"]
            if message.startswith("serving websocket"):
                self.address = message.rsplit(" ", 1)[1]
            if message.startswith("serving grpc"):
                return
        raise AssertionError("the server ended before it served")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0, "the server did not end in order"
        self.folder.cleanup()


def summary(command, pattern):
    """Runs a suite; its exit code, and the groups of the line that matches. What it prints is passed on when it fails."""
    process = subprocess.run(command, capture_output=True, text=True)
    text = process.stdout + process.stderr
    found = re.findall(pattern, text)
    if process.returncode != 0 or not found:
        print(text)
        return f"failed with exit code {process.returncode}" if not found else str(found[-1]), False
    return found[-1], True


def autobahn(binary, cores, compression, cases, excluded):
    with Server(binary, cores, compression) as server:
        sdist = next((VENV / "suite").glob("*.tar.gz"))
        url = f"ws://{server.address}/connection/echo"
        command = [sys.executable, "-W", "ignore", HERE / "websocket.py", sdist, VENV / "autobahn", url, cases, excluded]
        return summary(command, r"autobahn: (\d+ passed.*)")


def h2spec(binary, cores):
    with Server(binary, cores, False) as server:
        command = [VENV / "bin" / "h2spec", "--strict", "-h", "127.0.0.1", "-p", str(server.grpc_port)]
        found, is_good = summary(command, r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed")
        if not is_good:
            return found, False
        total, passed, skipped, failed = map(int, found)
        return f"{passed} of {total} passed, {skipped} skipped, {failed} failed", passed == total == 146


def framing(binary):
    return summary([sys.executable, HERE / "framing.py", binary], r"framing: (\d+ passed.*)")


def main():
    binary, is_full, is_quick = os.path.abspath(sys.argv[1]), "full" in sys.argv[2:], "quick" in sys.argv[2:]
    print(subprocess.run([binary, "version"], capture_output=True, text=True).stdout.strip(), flush=True)
    is_good = True
    for cores in (1, 2):
        if cores > (os.cpu_count() or 1):
            print(f"compat: {cores} cores are not there, skipped")
            continue
        deflate = DEFLATE if is_full and cores == 2 else SAMPLE
        plain = ("Autobahn 1-7, 9, 10", lambda: autobahn(binary, cores, False, PLAIN, DEFLATE))
        short = ("Autobahn 1-7, 10", lambda: autobahn(binary, cores, False, PLAIN, f"{LONG},{DEFLATE}"))
        compressed = (f"Autobahn {deflate}", lambda: autobahn(binary, cores, True, deflate, ""))
        http2 = ("h2spec, strict", lambda: h2spec(binary, cores))
        for name, suite in [short, http2] if is_quick else [plain, compressed, http2]:
            text, passed = suite()
            is_good &= passed
            print(f"compat, {cores} cores: {name}: {text}", flush=True)
    text, passed = framing(binary)
    print(f"compat: framing probes: {text}", flush=True)
    sys.exit(0 if is_good and passed else 1)


main()
