"""The official clients against the real binary, with as many cores as asked for. usage: live.py BINARY CORES [NAME…]

A check waits for what it observes. Names choose checks that contain them. The last line is the runner's summary."""

import asyncio
import sys
import traceback

import api_cent
import api_effects
import api_go
import api_grpc
import api_node
import api_tls
import compression
import deltas
import delivery
import scenarios
import suites
from harness import CONFIG, Server

MODULES = [delivery, compression, scenarios, deltas, api_cent, api_effects, api_grpc, api_tls, api_node, api_go]


async def run(check, binary, cores):
    """True when the check passes on a server of its own, which then ends in order."""
    server = Server()
    await server.start(binary, cores, config=getattr(check, "config", CONFIG))
    try:
        await check(server)
        code = await server.stop()
        assert code == 0, f"the server ends in order: expected exit code 0, got {code}"
        print(f"live, {cores} core(s): {check.__name__} ... ok", flush=True)
        return True
    except Exception as error:  # the run goes on to the next check
        frames = traceback.extract_tb(error.__traceback__)[1:]
        place = " > ".join(f"{f.name}:{f.lineno}" for f in frames if "site-packages" not in f.filename and f.name != "expect")
        text = " ".join(str(error).split())
        print(f"live, {cores} core(s): {check.__name__} ... FAILED at {place}: {type(error).__name__} {text}", flush=True)
        return False
    finally:
        if server.process.returncode is None:
            server.process.kill()
            await server.process.wait()


async def main(binary, cores, names):
    chosen = lambda checks: [check for check in checks if not names or any(name in check.__name__ for name in names)]

    async def one_by_one(checks):
        return [await run(check, binary, cores) for check in checks]

    # The suites wait most of their time, so the others run beside them.
    beside = [[check] for check in chosen(suites.CHECKS)]
    results = await asyncio.gather(*map(one_by_one, [*beside, chosen(check for module in MODULES for check in module.CHECKS)]))
    passed = [result for part in results for result in part]
    print(f"{passed.count(True)} passed, {passed.count(False)} failed", flush=True)
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])))
