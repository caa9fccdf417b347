"""The official clients against the real binary: `cent` publishes, `centrifuge-python` and npm `centrifuge` receive, in
JSON and in Protobuf, with as many cores as asked for. usage: live.py BINARY CORES

A check waits for what it observes. The last line is the runner's summary."""

import asyncio
import base64
import hashlib
import hmac
import json
import pathlib
import signal
import sys
import tempfile
import time

import cent
import centrifuge

HERE = pathlib.Path(__file__).parent
PATIENCE = 20
SUBSCRIBERS_PER_KIND = 4  # enough for every core to get some

CONFIG = {
    "http_api": {"key": "k"},
    "client": {
        "allowed_origins": [],
        "token": {"hmac_secret_key": "secret"},
        "allow_anonymous_connect_without_token": True,
    },
    "channel": {
        "namespaces": [
            {
                "name": "open",
                "allow_subscribe_for_client": True,
                "allow_subscribe_for_anonymous": True,
                "allow_publish_for_subscriber": True,
                "allow_publish_for_anonymous": True,
            },
            {"name": "closed"},
        ]
    },
}


def jwt(**claims):
    encode = lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=")
    head = encode(b'{"alg":"HS256","typ":"JWT"}') + b"." + encode(json.dumps(claims).encode())
    return (head + b"." + encode(hmac.new(b"secret", head, hashlib.sha256).digest())).decode()


class Server:
    """The binary with the configuration above, on a port of the kernel's choice."""

    async def start(self, binary, cores):
        self.folder = tempfile.TemporaryDirectory()
        config = pathlib.Path(self.folder.name) / "config.json"
        config.write_text(json.dumps(CONFIG))
        arguments = ["--config", config, "--address", "127.0.0.1", "--port", "0", "--cores", str(cores)]
        self.process = await asyncio.create_subprocess_exec(binary, *arguments, stdout=asyncio.subprocess.PIPE)
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
            assert line, "the server ended before it served"
            message = json.loads(line)["message"]
            if message.startswith("serving"):
                break
        self.base = message.rsplit(" ", 1)[1]
        self.drain = asyncio.create_task(self.process.stdout.read())

    async def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self.process.wait(), PATIENCE)
        self.folder.cleanup()
        return code


class Python:
    """A subscriber with centrifuge-python."""

    def __init__(self, url, protobuf, channel, token=""):
        self.protobuf, self.events = protobuf, asyncio.Queue()
        events = self.events

        class ClientEvents(centrifuge.ClientEventHandler):
            async def on_connected(self, ctx):
                await events.put(("connected", ctx.client))

            async def on_disconnected(self, ctx):
                await events.put(("disconnected", ctx.code))

        class Events(centrifuge.SubscriptionEventHandler):
            async def on_subscribed(self, ctx):
                await events.put(("subscribed", None))

            async def on_unsubscribed(self, ctx):
                await events.put(("unsubscribed", ctx.code))

            async def on_publication(self, ctx):
                data = ctx.pub.data
                await events.put(("publication", json.loads(data) if protobuf else data))

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
            event = json.loads(line)
            if event["event"] == kind:
                return event.get("data", event.get("code"))

    async def stop(self):
        self.process.stdin.close()
        await asyncio.wait_for(self.process.wait(), PATIENCE)


KINDS = [(Python, False), (Python, True), (JavaScript, False), (JavaScript, True)]


async def subscribers(server, channel, token=""):
    """Subscribers of every kind, all subscribed."""
    url = f"ws://{server.base}/connection/websocket"
    made = [kind(url, protobuf, channel, token) for kind, protobuf in KINDS for _ in range(SUBSCRIBERS_PER_KIND)]
    await asyncio.gather(*(one.start() for one in made))
    await asyncio.gather(*(one.next("subscribed") for one in made))
    return made


async def in_thread(call, *arguments):
    return await asyncio.get_running_loop().run_in_executor(None, call, *arguments)


def api(server):
    return cent.Client(f"http://{server.base}/api", "k", timeout=PATIENCE)


async def publications_of_cent_reach_every_kind_of_subscriber(server):
    made, client = await subscribers(server, "open:news"), api(server)
    for n in range(20):
        await in_thread(client.publish, cent.PublishRequest(channel="open:news", data={"n": n, "text": "é\n<&>"}))
    for one in made:
        for n in range(20):
            assert await one.next("publication") == {"n": n, "text": "é\n<&>"}
    await asyncio.gather(*(one.stop() for one in made))


async def publications_of_clients_reach_every_kind_of_subscriber(server):
    made = await subscribers(server, "open:chat")
    for n, one in enumerate(made):
        await one.publish({"n": n})
        for other in made:
            assert await other.next("publication") == {"n": n}
    await asyncio.gather(*(one.stop() for one in made))


async def broadcast_batch_and_info_have_their_effect(server):
    made, client = await subscribers(server, "open:many"), api(server)
    result = await in_thread(client.broadcast, cent.BroadcastRequest(channels=["open:many", "nope:x"], data={"b": 1}))
    assert result.responses[0].error is None and result.responses[1].error.code == 102, result
    requests = [cent.PublishRequest(channel="open:many", data={"b": n}) for n in (2, 3)]
    for parallel in (False, True):
        await in_thread(client.batch, cent.BatchRequest(requests=requests, parallel=parallel))
    for one in made:
        got = [(await one.next("publication"))["b"] for _ in range(5)]
        assert got[:3] == [1, 2, 3] and sorted(got[3:]) == [2, 3], got
    info = await in_thread(client.info, cent.InfoRequest())
    node = info.nodes[0]
    assert (node.num_clients, node.num_subs, node.num_channels, node.num_users) == (len(made), len(made), 1, 1), node
    await asyncio.gather(*(one.stop() for one in made))


async def tokens_name_the_user(server):
    made = await subscribers(server, "open:users", jwt(sub="42", exp=int(time.time()) + 3600))
    info = await in_thread(api(server).info, cent.InfoRequest())
    assert info.nodes[0].num_users == 1
    await asyncio.gather(*(one.stop() for one in made))


async def what_is_not_permitted_is_refused_with_its_code(server):
    url = f"ws://{server.base}/connection/websocket"
    for kind, protobuf in KINDS:
        one = kind(url, protobuf, "closed:room")
        await one.start()
        assert await one.next("unsubscribed") == 103
        await one.stop()
        bad = kind(url, protobuf, "open:room", jwt(sub="42") + "x")
        await bad.start()
        assert await bad.next("disconnected") == 3500
        await bad.stop()


async def a_wrong_key_is_unauthorized(server):
    wrong = cent.Client(f"http://{server.base}/api", "wrong", timeout=PATIENCE)
    try:
        await in_thread(wrong.info, cent.InfoRequest())
    except cent.CentUnauthorizedError:
        return
    raise AssertionError("a wrong key was taken")


CHECKS = [
    publications_of_cent_reach_every_kind_of_subscriber,
    publications_of_clients_reach_every_kind_of_subscriber,
    broadcast_batch_and_info_have_their_effect,
    tokens_name_the_user,
    what_is_not_permitted_is_refused_with_its_code,
    a_wrong_key_is_unauthorized,
]


async def main(binary, cores):
    passed = failed = 0
    for check in CHECKS:
        server = Server()
        await server.start(binary, cores)
        try:
            await check(server)
            assert await server.stop() == 0, "the server ends in order"
            passed += 1
            print(f"live, {cores} core(s): {check.__name__} ... ok", flush=True)
        except Exception as error:  # the run goes on to the next check
            failed += 1
            print(f"live, {cores} core(s): {check.__name__} ... FAILED: {error!r}", flush=True)
            if server.process.returncode is None:
                server.process.kill()
                await server.process.wait()
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], int(sys.argv[2]))))
