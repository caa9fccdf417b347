"""Every method of the server API with `cent`, in both of its clients: what it returns and what it raises."""

import cent
from cent import CentApiResponseError, CentUnauthorizedError

from harness import KEY, PATIENCE, eventually, expect, in_thread, jwt
from subscribers import Python, stop_all, subscribers


class Sync:
    """`cent.Client`, called in a thread."""

    def __init__(self, server, key=KEY):
        self.client = cent.Client(server.api, key, timeout=PATIENCE)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.client._session.close()

    async def __call__(self, method, request):
        return await in_thread(getattr(self.client, method), request)


class Async(Sync):
    """`cent.AsyncClient`."""

    def __init__(self, server, key=KEY):
        self.client = cent.AsyncClient(server.api, key, timeout=PATIENCE)

    async def __aexit__(self, *_):
        await self.client._session.close()

    async def __call__(self, method, request):
        return await getattr(self.client, method)(request)


def with_both(check):
    """The check with either client, on channels of its own."""

    async def run(server):
        for made in (Sync, Async):
            async with made(server) as call:
                await check(server, call, made.__name__.lower())

    run.__name__ = check.__name__
    return run


async def fails(what, call, method, request, code, message):
    try:
        result = await call(method, request)
    except CentApiResponseError as error:
        return expect(what, (error.code, error.message), (code, message))
    raise AssertionError(f"{what}: expected error {code}, got {result!r}")


UNKNOWN, BAD, NOT_AVAILABLE = (102, "unknown channel"), (107, "bad request"), (108, "not available")


@with_both
async def cent_publishes_and_reads_history(server, call, name):
    channel = f"hist:{name}"
    publish = lambda **rest: call("publish", cent.PublishRequest(channel=channel, **rest))
    first = await publish(data={"n": 1}, tags={"a": "b"})
    expect("the first offset", first.offset, 1)
    assert first.epoch, f"an epoch: got {first!r}"
    again = [await publish(data={"n": 2}, idempotency_key="k") for _ in range(2)]
    expect("an idempotent publish, twice", [(r.offset, r.epoch) for r in again], [(2, first.epoch)] * 2)
    skipped = await publish(data={"n": 0}, skip_history=True)
    expect("skip_history", (skipped.offset, skipped.epoch), (0, ""))
    encoded = await publish(data=None, b64data="eyJuIjogM30=")
    expect("b64data", encoded.offset, 3)

    history = lambda **rest: call("history", cent.HistoryRequest(channel=channel, **rest))
    whole = await history(limit=-1)
    expect("the position", (whole.offset, whole.epoch), (3, first.epoch))
    expect("publications", [(p.offset, p.data) for p in whole.publications], [(n, {"n": n}) for n in (1, 2, 3)])
    expect("tags", whole.publications[0].tags, {"a": "b"})
    offsets = lambda result: [p.offset for p in result.publications]
    expect("no limit", offsets(await history()), [])
    expect("limit 2", offsets(await history(limit=2)), [1, 2])
    expect("reverse", offsets(await history(limit=2, reverse=True)), [3, 2])
    since = cent.StreamPosition(offset=1, epoch=first.epoch)
    expect("since", offsets(await history(limit=10, since=since)), [2, 3])
    foreign = cent.HistoryRequest(channel=channel, limit=1, since=cent.StreamPosition(offset=1, epoch="no"))
    await fails("a foreign epoch", call, "history", foreign, 112, "unrecoverable position")

    await call("history_remove", cent.HistoryRemoveRequest(channel=channel))
    empty = await history(limit=10)
    expect("after history_remove", (offsets(empty), empty.offset, empty.epoch), ([], 3, first.epoch))
    for n in range(4, 11):
        expect("the next offset", (await publish(data=n)).offset, n)
    expect("history_size", offsets(await history(limit=100)), [6, 7, 8, 9, 10])


@with_both
async def cent_broadcasts(server, call, name):
    channels = [f"hist:{name}1", f"hist:{name}2", f"plain:{name}", "nope:x", ""]
    result = await call("broadcast", cent.BroadcastRequest(channels=channels, data={"b": 1}, idempotency_key="k"))
    got = [r.error.code if r.error else r.result.offset for r in result.responses]
    expect("offsets and errors", got, [1, 1, 0, 102, 107])
    await fails("no channels", call, "broadcast", cent.BroadcastRequest(channels=[], data=1), *BAD)


@with_both
async def cent_sees_who_is_there(server, call, name):
    room, token = f"pres:{name}", jwt(sub="42", info={"name": "x"})
    known = await subscribers(server, room, token)
    anonymous = Python(server.websocket, False, room)
    await anonymous.start()
    client = await anonymous.next("connected")
    await anonymous.next("subscribed")

    presence = (await call("presence", cent.PresenceRequest(channel=room))).presence
    expect("members", len(presence), len(known) + 1)
    expect("keys are client IDs", {key: info.client for key, info in presence.items()}, {key: key for key in presence})
    expect("an anonymous member", (presence[client].user, presence[client].conn_info), ("", None))
    users = sorted((info.user, info.conn_info["name"]) for key, info in presence.items() if key != client)
    expect("known members", users, [("42", "x")] * len(known))
    stats = await call("presence_stats", cent.PresenceStatsRequest(channel=room))
    expect("clients and users", (stats.num_clients, stats.num_users), (len(known) + 1, 2))

    channels = (await call("channels", cent.ChannelsRequest())).channels
    expect("channels", {key: info.num_clients for key, info in channels.items()}, {room: len(known) + 1})
    matching = await call("channels", cent.ChannelsRequest(pattern=f"p?es:{name[0]}*"))
    expect("a pattern", list(matching.channels), [room])
    expect("another", (await call("channels", cent.ChannelsRequest(pattern="open:*"))).channels, {})
    await fails("a broken pattern", call, "channels", cent.ChannelsRequest(pattern="["), 100, "internal server error")

    node = (await call("info", cent.InfoRequest())).nodes[0]
    figures = (node.num_clients, node.num_subs, node.num_channels, node.num_users)
    expect("clients, subscriptions, channels, users", figures, (len(known) + 1, len(known) + 1, 1, 2))
    assert node.uid and node.name and node.version and node.metrics is not None, f"a node: got {node!r}"
    await stop_all([*known, anonymous])

    async def left():
        stats = await call("presence_stats", cent.PresenceStatsRequest(channel=room))
        node = (await call("info", cent.InfoRequest())).nodes[0]
        return stats.num_clients, stats.num_users, node.num_clients, node.num_channels

    await eventually("members, users, clients, channels after they left", left, (0, 0, 0, 0))


@with_both
async def cent_batches_every_method(server, call, name):
    for parallel in (False, True):
        channel = f"hist:{name}{parallel}"
        requests = [
            cent.PublishRequest(channel=channel, data=1),
            cent.BroadcastRequest(channels=[f"plain:{name}", "nope:x"], data=1),
            cent.SubscribeRequest(user="nobody", channel="plain:x"),
            cent.UnsubscribeRequest(user="nobody", channel="plain:x"),
            cent.DisconnectRequest(user="nobody"),
            cent.RefreshRequest(user="nobody", expire_at=1),
            cent.PresenceRequest(channel="pres:empty"),
            cent.PresenceStatsRequest(channel="pres:empty"),
            cent.HistoryRequest(channel="hist:empty", limit=1),
            cent.HistoryRemoveRequest(channel="hist:empty"),
            cent.ChannelsRequest(pattern="no*"),
            cent.InfoRequest(),
        ]
        replies = (await call("batch", cent.BatchRequest(requests=requests, parallel=parallel))).replies
        expect("types of replies", [type(reply) for reply in replies], [request.__returning__ for request in requests])
        expect("the publish in it", replies[0].offset, 1)
        expect("the broadcast in it", [bool(r.error) for r in replies[1].responses], [False, True])
        expect("the presence in it", (replies[6].presence, replies[7].num_clients), ({}, 0))
        expect("the nodes in it", len(replies[11].nodes), 1)
        publishes = [cent.PublishRequest(channel=f"{channel}-many", data=n) for n in range(200)]
        replies = (await call("batch", cent.BatchRequest(requests=publishes, parallel=parallel))).replies
        offsets = [reply.offset for reply in replies]
        expect("200 offsets", sorted(offsets) if parallel else offsets, list(range(1, 201)))


@with_both
async def cent_raises_what_the_server_refuses(server, call, name):
    channels = [
        ("publish", lambda channel: cent.PublishRequest(channel=channel, data=1)),
        ("subscribe", lambda channel: cent.SubscribeRequest(user="42", channel=channel)),
        ("presence", lambda channel: cent.PresenceRequest(channel=channel)),
        ("presence_stats", lambda channel: cent.PresenceStatsRequest(channel=channel)),
        ("history", lambda channel: cent.HistoryRequest(channel=channel)),
        ("history_remove", lambda channel: cent.HistoryRemoveRequest(channel=channel)),
    ]
    for method, make in channels:
        await fails(f"{method} in an unknown namespace", call, method, make("nope:x"), *UNKNOWN)
        await fails(f"{method} without a channel", call, method, make(""), *BAD)
    for method, make in channels[2:]:
        await fails(f"{method} where it is off", call, method, make("plain:x"), *NOT_AVAILABLE)
    await fails("no payload", call, "publish", cent.PublishRequest(channel="plain:x", data=None), *BAD)
    await fails("bad base64", call, "publish", cent.PublishRequest(channel="plain:x", data=1, b64data="*"), *BAD)
    unsubscribe = cent.UnsubscribeRequest(user="42", channel="nope:x")
    await fails("unsubscribe in an unknown namespace", call, "unsubscribe", unsubscribe, *UNKNOWN)


async def a_wrong_key_is_unauthorized(server):
    for made in (Sync, Async):
        for key in ("wrong", "K", ""):
            async with made(server, key) as call:
                try:
                    result = await call("info", cent.InfoRequest())
                except CentUnauthorizedError:
                    continue
                raise AssertionError(f"the key {key!r}: expected CentUnauthorizedError, got {result!r}")


CHECKS = [
    cent_publishes_and_reads_history,
    cent_broadcasts,
    cent_sees_who_is_there,
    cent_batches_every_method,
    cent_raises_what_the_server_refuses,
    a_wrong_key_is_unauthorized,
]
