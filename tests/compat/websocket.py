"""Runs Autobahn's published fuzzing client, which is written for Python 2, on Python 3.11.

`prepare` converts the source distribution once: literals that are not ASCII become octets, lib2to3 does the rest. The cases
keep Python 2's view, one character of a string is an octet; `Shim` converts where they meet the library autobahn.

usage: websocket.py SDIST FOLDER URL CASES EXCLUDED   (globs, separated by commas)

Prints each case that is not OK and a summary. Exit code 0: all are OK, strictly (informational ones may be what they are);
1: not all; 3: the suite itself has failed, so its verdicts say nothing.
"""

import binascii
import collections
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import types

GOOD = {"OK", "INFORMATIONAL"}
# RFC 7692 lets a server decline an offer: what was not agreed on is not tested.
DECLINED = "UNIMPLEMENTED"


def rewrite(path, change):
    before = path.read_text(encoding="utf-8")
    after = change(before)
    if after != before:
        path.write_text(after)
    return after != before


def escaped(text):
    return "".join(c if ord(c) < 128 else "".join(f"\\x{octet:02x}" for octet in c.encode()) for c in text)


def prepare(sdist, folder):
    """Unpacks and converts the suite unless that was done."""
    done, package = folder / "converted", folder / "autobahntestsuite"
    if done.exists():
        return
    with tarfile.open(sdist) as archive:
        top = archive.getnames()[0].split("/")[0]
        archive.extractall(folder)
    (folder / top / "autobahntestsuite").rename(package)
    for path in package.rglob("*.py"):
        rewrite(path, escaped)
    convert = [sys.executable, "-W", "ignore", "-m", "lib2to3", "-w", "-n", "--no-diffs", str(package)]
    subprocess.run(convert, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # Frame counts were whole numbers by division in Python 2.
    divided = lambda text: re.sub(r"len\(self\.payload\) / ", "len(self.payload) // ", text)
    assert rewrite(package / "case" / "case10_1_1.py", divided)
    # An order of bases that only classes of Python 2 may have.
    for path in (package / "case").glob("case*.py"):
        rewrite(path, lambda text: text.replace("(object, Case, )", "(Case,)"))
    done.touch()


def octets(value):
    if isinstance(value, str):
        return value.encode("latin-1")
    return bytes(value) if isinstance(value, (bytearray, memoryview)) else value


def characters(value):
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else value


def all_characters(value):
    return [all_characters(one) for one in value] if isinstance(value, (list, tuple)) else characters(value)


def readable(data, maxlen=64, replace=False):
    data = octets(data)[:maxlen]
    try:
        return data.decode("utf-8", "replace" if replace else "strict")
    except UnicodeDecodeError:
        return "0x" + data.hex()


def suite(folder):
    """The suite's module with what Python 3 needs."""
    to_hex = binascii.b2a_hex
    binascii.b2a_hex = lambda data, *rest: characters(to_hex(octets(data), *rest))
    sys.path.insert(0, str(folder))
    # Its command line wants parts that are not needed here.
    command_line = types.ModuleType("autobahntestsuite.wstest")
    command_line.run = None
    sys.modules["autobahntestsuite.wstest"] = command_line
    import txaio

    txaio.use_twisted()
    import zope.interface

    zope.interface.implements = lambda *interfaces: None
    import autobahn.websocket.utf8validator as utf8

    validate = utf8.Utf8Validator.validate
    utf8.Utf8Validator.validate = lambda self, data: validate(self, octets(data))
    from autobahntestsuite import fuzzing
    from autobahntestsuite.case import case

    case.Case.compare = lambda self, one, other: all_characters(one) == all_characters(other)
    fuzzing.binLogData = lambda data, maxlen=64: octets(data)[:maxlen].hex()
    fuzzing.asciiLogData = readable
    fuzzing.FuzzingFactory.createReports = lambda self, *rest, **named: None
    fuzzing.FuzzingClientProtocol = shim(fuzzing.FuzzingClientProtocol)
    return fuzzing


def shim(base):
    class Shim(base):
        def sendFrame(self, opcode, payload=b"", fin=True, rsv=0, mask=None, payload_len=None, chopsize=None, sync=False):
            payload = octets(payload)
            if payload_len is not None and payload:
                # The library would divide as Python 2 does.
                payload, payload_len = (payload * (payload_len // len(payload) + 1))[:payload_len], None
            return base.sendFrame(self, opcode, payload, fin, rsv, octets(mask), payload_len, chopsize, sync)

        def sendMessage(self, payload, isBinary=False, *rest, **named):
            return base.sendMessage(self, octets(payload), isBinary, *rest, **named)

        def sendMessageFrameData(self, payload, sync=False):
            return base.sendMessageFrameData(self, octets(payload), sync)

        def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
            return base.sendCloseFrame(self, code, octets(reasonUtf8), isReply)

        def sendClose(self, code=None, reason=None):
            return base.sendClose(self, code, characters(reason))

        def logRxFrame(self, header, payload):
            return base.logRxFrame(self, header, [characters(part) for part in payload])

    return Shim


def run(fuzzing, url, cases, excluded):
    """Verdicts by case, the cases that were asked for, and what the suite itself stumbled over."""
    from twisted.internet import reactor
    from twisted.python import log

    agent, errors = "corecast", []
    spec = {
        "options": {},
        "servers": [{"url": url, "agent": agent, "options": {"version": 18}}],
        "outdir": "unused",
        "cases": cases,
        "exclude-cases": excluded,
        "exclude-agent-cases": {},
    }
    log.addObserver(lambda event: errors.append(event) if event.get("isError") else None)
    factory = fuzzing.FuzzingClientFactory(spec)
    reactor.run()
    return factory.agents.get(agent, {}), factory.specCases, errors


def judge(results, wanted, errors):
    bad = []
    counts = collections.Counter()
    for name, result in results.items():
        verdicts = {result["behavior"], result["behaviorClose"]}
        is_declined = result["behavior"] == DECLINED and name.startswith("13.")
        counts["declined" if is_declined else "strict" if verdicts <= GOOD else "bad"] += 1
        if not is_declined and not verdicts <= GOOD:
            bad.append(f"{name}: {result['behavior']}, close {result['behaviorClose']}: {result['result']} {result['resultClose']}")
    bad += [f"{name}: never ran" for name in wanted if name not in results]
    for line in bad:
        print("autobahn:", line)
    for error in errors[:3]:
        print("autobahn: the suite has failed:", json.dumps(str(error))[:400])
    informational = sum(result["behavior"] == "INFORMATIONAL" for result in results.values())
    declined = f", {counts['declined']} of offers that were declined" if counts["declined"] else ""
    print(f"autobahn: {counts['strict']} passed strictly ({informational} informational){declined}, {len(bad)} failed")
    return 3 if errors else 1 if bad or not results else 0


def main():
    sdist, folder, url, cases, excluded = sys.argv[1:6]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    prepare(sdist, folder)
    split = lambda text: [one for one in text.split(",") if one]
    results, wanted, errors = run(suite(folder), url, split(cases), split(excluded))
    sys.exit(judge(results, wanted, errors))


main()
