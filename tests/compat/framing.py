#!/usr/bin/env python3
"""HTTP/1.1 framing and request smuggling against the real binary: each row of the table has one right outcome, whether it
comes whole or byte by byte.

framing.py BINARY [--cores N] [--only TEXT]: starts the server with so many cores and plays the rows whose ids hold TEXT.
framing.py --self-test: plays them to a sloppy server, which has to fail.
"""

import argparse
import concurrent.futures
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

import framing_bodies
import framing_heads
from framing_peer import BY_BYTE, PATIENCE_SECONDS, WHOLE, Peer
from framing_sloppy import Sloppy

ROWS = [row for table in framing_heads.TABLES + framing_bodies.TABLES for row in table.rows]
AT_ONCE = 8
ROWS_MIN, SLOPPY_FAILURES_MIN, SLOPPY_PASSES_MIN = 150, 40, 40
BYTES_SHOWN = 600

CONFIG = {
    "http_api": {"key": "k"},
    "health": {"enabled": True},
    "client": {"allowed_origins": []},
    "channel": {"namespaces": [{"name": "hist", "history_size": 100, "history_ttl": "300s"}]},
}


class Server:
    """The binary, on a free port, until the end of the block."""

    def __init__(self, binary, cores):
        self.folder = tempfile.TemporaryDirectory()
        config = pathlib.Path(self.folder.name) / "config.json"
        config.write_text(json.dumps(CONFIG))
        command = [binary, "--config", config, "--address", "127.0.0.1", "--port", "0", "--cores", str(cores)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        for line in self.process.stdout:
            message = json.loads(line)["message"]
            if message.startswith("serving"):
                threading.Thread(target=self.process.stdout.read, daemon=True).start()
                host, port = message.rsplit(" ", 1)[1].rsplit(":", 1)
                return host, int(port)
        raise SystemExit("framing: the server ended before it served")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.code = self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.code = self.process.wait()
        self.folder.cleanup()


def shown(data):
    return ascii(data)[1:] if len(data) <= BYTES_SHOWN else f"{ascii(data[:BYTES_SHOWN])[1:]}… ({len(data)} bytes)"


def failures(peer, row, modes):
    """The ways in which a row fails, as texts."""
    found = []
    for mode in modes:
        try:
            expected, got = peer.play(row, mode)
        except OSError as error:
            expected, got = "an answer", f"{type(error).__name__}: {error}"
        if expected != got:
            pieces = "\n".join(f"  sent:     {shown(sent)}" for sent, _ in row.pieces)
            why = f"\n  though:   {row.why}" if row.why else ""
            found.append(f"{row.id} ({row.rule}), {mode}\n{pieces}\n  expected: {expected}\n  got:      {got}{why}")
    return found


def play(peer, rows, modes):
    """Every row with its failures, in the order of the table."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(zip(rows, pool.map(lambda row: failures(peer, row, modes), rows)))


def check(binary, cores, only):
    rows = [row for row in ROWS if only in row.id]
    server = Server(binary, cores)
    with server as address:
        results = play(Peer(address), rows, (WHOLE, BY_BYTE))
    failed = [texts for _, texts in results if texts]
    for text in (text for texts in failed for text in texts):
        print(text)
    if server.code != 0:
        print(f"framing: the server ended with {server.code}")
    print(f"framing: {len(rows) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or server.code != 0 or not rows else 0


def self_test():
    """The gate can fail: a sloppy server does, and not for everything."""
    assert len(ROWS) >= ROWS_MIN and len({row.id for row in ROWS}) == len(ROWS), "each row has an id of its own"
    with Sloppy() as sloppy:
        results = play(Peer(sloppy.server_address, patience=1, close_patience=0.5), ROWS, (WHOLE,))
        sloppy.shutdown()
    failed = sum(bool(texts) for _, texts in results)
    passed = len(results) - failed
    print(f"framing: self-test: a sloppy server fails {failed} rows and passes {passed}")
    return 0 if failed >= SLOPPY_FAILURES_MIN and passed >= SLOPPY_PASSES_MIN else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", nargs="?")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    if not arguments.binary:
        parser.error("which binary?")
    return check(arguments.binary, arguments.cores, arguments.only)


if __name__ == "__main__":
    sys.exit(main())
