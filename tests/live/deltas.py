"""Deltas against the implementations of npm `centrifuge` and `centrifuge-python`: whatever is published, whoever asked for
deltas sees exactly what others see, live and recovered. A run has a seed, which it prints; SEED=… repeats it."""

import asyncio
import hashlib
import json
import os
import random
import urllib.request

import centrifuge

from documents import Documents, canonical
from harness import CONFIG, HERE, KEY, OPEN, PATIENCE, Proxy, configured, expect, in_thread

STORIES, ROUNDS = 8, 10
PUBLICATIONS_MAX = 12

DELTA = {**OPEN, "history_size": 200, "history_ttl": "300s", "force_recovery": True, "allowed_delta_types": ["fossil"]}
WITH_DELTA = {
    "http_api": {"key": KEY},
    "client": {**CONFIG["client"], "queue_max_size": 64 << 20},
    "channel": {"namespaces": [{"name": "delta", **DELTA, "delta_publish": True}]},
}


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Python:
    """A subscriber with centrifuge-python."""

    def __init__(self, url, protobuf, delta, channel):
        self.told = told = asyncio.Queue()

        class Events(centrifuge.SubscriptionEventHandler):
            async def on_subscribed(self, ctx):
                await told.put(("subscribed", ctx.recovered))

            async def on_publication(self, ctx):
                data = ctx.pub.data if protobuf else canonical(ctx.pub.data).encode()
                await told.put(("publication", (ctx.pub.offset or 0, digest(data))))

            async def on_error(self, ctx):
                await told.put(("error", str(ctx.error)))

            async def on_unsubscribed(self, ctx):
                await told.put(("unsubscribed", (ctx.code, ctx.reason)))

        quick = {"min_reconnect_delay": 0.02, "max_reconnect_delay": 0.2}
        self.client = centrifuge.Client(url, use_protobuf=protobuf, proxy=None, **quick)
        delta = centrifuge.DeltaType.FOSSIL if delta else None
        self.subscription = self.client.new_subscription(channel, events=Events(), delta=delta)

    async def start(self):
        await self.client.connect()
        await self.subscription.subscribe()

    async def stop(self):
        await self.client.disconnect()


class JavaScript:
    """All subscribers with npm `centrifuge`, in one process."""

    async def start(self, channel, subscribers):
        pipe = asyncio.subprocess.PIPE
        arguments = json.dumps({"channel": channel, "subscribers": subscribers})
        self.process = await asyncio.create_subprocess_exec("node", HERE / "sdk" / "deltas.mjs", arguments, stdin=pipe, stdout=pipe)
        self.told = {one["name"]: asyncio.Queue() for one in subscribers}
        self.reading = asyncio.create_task(self.read())

    async def read(self):
        async for line in self.process.stdout:
            name, kind, value = json.loads(line)
            await self.told[name].put((kind, tuple(value) if isinstance(value, list) else value))

    async def stop(self):
        self.process.stdin.close()
        await asyncio.wait_for(self.process.wait(), PATIENCE)
        await self.reading


class Audience:
    """Every kind of subscriber: of either library, in JSON and Protobuf, with deltas and without, on a line that stays and,
    with deltas, on one that is cut."""

    async def start(self, server, channel):
        self.proxy = Proxy()
        await self.proxy.start(server.base)
        self.told, self.pythons, in_javascript = {}, [], []
        for protobuf in (False, True):
            for delta, is_cut in ((False, False), (True, False), (True, True)):
                url = f"ws://{self.proxy.address if is_cut else server.base}/connection/websocket"
                name = f"{'Protobuf' if protobuf else 'JSON'}{' delta' if delta else ''}{' cut' if is_cut else ''}"
                python = Python(url, protobuf, delta, channel)
                self.pythons.append(python)
                self.told[f"Python {name}"] = python.told
                in_javascript.append({"name": f"JavaScript {name}", "url": url, "protobuf": protobuf, "delta": delta})
        self.javascript = JavaScript()
        await self.javascript.start(channel, in_javascript)
        self.told |= self.javascript.told
        await asyncio.gather(*(python.start() for python in self.pythons))
        for name in self.told:
            expect(f"{name}: the beginning", await self.next(name), ("subscribed", False))

    async def next(self, name):
        return await asyncio.wait_for(self.told[name].get(), PATIENCE)

    async def see(self, published, was_cut):
        """Each of the audience sees all of it, in order and nothing else."""
        for name in self.told:
            if was_cut and name.endswith("cut"):
                expect(f"{name}: behind a cut", await self.next(name), ("subscribed", True))
            for offset, document, raw in published:
                data = raw.encode() if "Protobuf" in name else canonical(document).encode()
                got = await self.next(name)
                expect(f"{name}: the publication {offset} of {len(data)} bytes", got, ("publication", (offset, digest(data))))

    async def stop(self):
        await asyncio.gather(*(python.stop() for python in self.pythons))
        await self.javascript.stop()
        await self.proxy.stop()

    async def patches(self):
        """How many the JavaScript clients got; they said so when they were stopped, and nothing before that."""
        patches = 0
        for name in self.javascript.told:
            kind, stats = await self.next(name)
            expect(f"{name}: the end", kind, "stats")
            patches += stats["numDeltaPayloads"]
        return patches


def publish(server, channel, raw, extra):
    body = f'{{"channel":{json.dumps(channel)},"data":{raw}{extra}}}'.encode()
    request = urllib.request.Request(f"{server.api}/publish", body, {"X-API-Key": KEY, "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        answer = json.load(answer)
    assert "result" in answer, answer
    return answer["result"].get("offset", 0)


async def story(server, name, rng):
    """Rounds of publications to one channel, the lines cut in some; returns how many patches were seen."""
    channel, documents, audience = f"delta:{name}", Documents(rng), Audience()
    try:
        await audience.start(server, channel)
        for _ in range(ROUNDS):
            is_cut = rng.random() < 0.5
            if is_cut:
                audience.proxy.cut()
            published = []
            for _ in range(rng.randint(1, PUBLICATIONS_MAX)):
                document, raw = documents.next()
                # What is not kept is no base for the next; nobody recovers it.
                is_kept = is_cut or rng.random() < 0.9
                offset = await in_thread(publish, server, channel, raw, "" if is_kept else ',"skip_history":true')
                published.append((offset, document, raw))
            audience.proxy.mend()
            await audience.see(published, is_cut)
    finally:
        await audience.stop()
    return await audience.patches()


@configured(WITH_DELTA)
async def deltas_become_the_documents_that_were_published(server):
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    print(f"live, {server.cores} core(s): deltas with SEED={seed}", flush=True)
    rng, patches = random.Random(seed), 0
    for n in range(STORIES):
        patches += await story(server, f"{seed}-{n}", rng)
    assert patches > STORIES * ROUNDS, f"patches were sent: got {patches}"


CHECKS = [deltas_become_the_documents_that_were_published]
