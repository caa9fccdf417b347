"""Subscribers with the official clients, and one without a client that sees the messages as they are. Each collects what
happens to it as pairs of a kind and a value; `next` waits for one of a kind."""

import asyncio
import json

import centrifuge
import websockets

from harness import HERE, PATIENCE


class Python:
    """A subscriber with centrifuge-python."""

    def __init__(self, url, protobuf, channel, token=""):
        self.protobuf, self.events = protobuf, asyncio.Queue()
        events = self.events

        def decode(data):
            try:
                return json.loads(data) if protobuf and data else data or None
            except ValueError:
                return bytes(data)

        class ClientEvents(centrifuge.ClientEventHandler):
            async def on_connected(self, ctx):
                await events.put(("connected", ctx.client))

            async def on_connecting(self, ctx):
                await events.put(("connecting", (ctx.code, ctx.reason)))

            async def on_disconnected(self, ctx):
                await events.put(("disconnected", (ctx.code, ctx.reason)))

            async def on_subscribed(self, ctx):
                value = {"channel": ctx.channel, "data": decode(ctx.data), "recoverable": bool(ctx.recoverable)}
                await events.put(("server_subscribed", value))

            async def on_unsubscribed(self, ctx):
                await events.put(("server_unsubscribed", ctx.channel))

            async def on_publication(self, ctx):
                await events.put(("server_publication", decode(ctx.pub.data)))

        class Events(centrifuge.SubscriptionEventHandler):
            async def on_subscribed(self, ctx):
                await events.put(("subscribed", None))

            async def on_unsubscribed(self, ctx):
                await events.put(("unsubscribed", (ctx.code, ctx.reason)))

            async def on_publication(self, ctx):
                await events.put(("publication", decode(ctx.pub.data)))

        async def get_token():
            return token

        extra = {"get_token": get_token} if token else {}
        self.client = centrifuge.Client(url, events=ClientEvents(), use_protobuf=protobuf, proxy=None, **extra)
        self.subscription = self.client.new_subscription(channel, events=Events())

    async def start(self):
        await self.client.connect()
        await self.subscription.subscribe()

    async def publish(self, data):
        await self.subscription.publish(json.dumps(data).encode() if self.protobuf else data)

    async def next(self, kind):
        while True:
            event, value = await asyncio.wait_for(self.events.get(), PATIENCE)
            if event == kind:
                return value

    async def stop(self):
        await self.client.disconnect()


class JavaScript:
    """A subscriber with npm centrifuge, in a process of its own."""

    def __init__(self, url, protobuf, channel, token=""):
        encoding = "protobuf" if protobuf else "json"
        self.arguments = ["node", HERE / "live.mjs", url, encoding, channel] + ([token] if token else [])

    async def start(self):
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(*self.arguments, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)

    async def publish(self, data):
        # Its own publication arrives before the reply, so waiting for the reply here would lose it.
        self.process.stdin.write(json.dumps(data).encode() + b"\n")

    async def next(self, kind):
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
            assert line, f"the client ended while {kind} was awaited"
            event, value = json.loads(line)
            if event == kind:
                return tuple(value) if isinstance(value, list) else value

    async def stop(self):
        self.process.stdin.close()
        await asyncio.wait_for(self.process.wait(), PATIENCE)


class Raw:
    """A connection in JSON without a client: `next_push` is the next push as the server wrote it."""

    def __init__(self, url, token):
        self.url, self.token = url, token

    async def start(self):
        self.socket = await websockets.connect(self.url, proxy=None)
        await self.command({"id": 1, "connect": {"token": self.token}})

    async def command(self, command):
        await self.socket.send(json.dumps(command))
        while True:
            for message in await self.messages():
                if message.get("id") == command["id"]:
                    return message

    async def messages(self):
        text = await asyncio.wait_for(self.socket.recv(), PATIENCE)
        return [json.loads(line) for line in text.splitlines()]

    async def next_push(self):
        while True:
            for message in await self.messages():
                if "push" in message:
                    return message["push"]

    async def closed(self):
        """Code and reason of the server's close frame."""
        await asyncio.wait_for(self.socket.wait_closed(), PATIENCE)
        return self.socket.close_code, self.socket.close_reason

    async def stop(self):
        await self.socket.close()


KINDS = [(Python, False), (Python, True), (JavaScript, False), (JavaScript, True)]


async def subscribers(server, channel, token="", of_each=1):
    """Subscribers of every kind, all subscribed."""
    made = [kind(server.websocket, protobuf, channel, token) for kind, protobuf in KINDS for _ in range(of_each)]
    await asyncio.gather(*(one.start() for one in made))
    await asyncio.gather(*(one.next("subscribed") for one in made))
    return made


async def stop_all(made):
    await asyncio.gather(*(one.stop() for one in made))
