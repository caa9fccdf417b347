"""Publications of the server API and of clients reach subscribers of every kind; what is not permitted does not."""

import time

import cent

from harness import KEY, PATIENCE, expect, in_thread, jwt
from subscribers import KINDS, JavaScript, Raw, stop_all, subscribers

SUBSCRIBERS_PER_KIND = 4  # enough for every core to get some


def api(server):
    return cent.Client(server.api, KEY, timeout=PATIENCE)


async def many(server, channel, token=""):
    return await subscribers(server, channel, token, of_each=SUBSCRIBERS_PER_KIND)


async def publications_of_cent_reach_every_kind_of_subscriber(server):
    made, client = await many(server, "open:news"), api(server)
    for n in range(20):
        await in_thread(client.publish, cent.PublishRequest(channel="open:news", data={"n": n, "text": "é\n<&>"}))
    for one in made:
        for n in range(20):
            expect("a publication", await one.next("publication"), {"n": n, "text": "é\n<&>"})
    await stop_all(made)


async def publications_of_clients_reach_every_kind_of_subscriber(server):
    made = await many(server, "open:chat")
    for n, one in enumerate(made):
        await one.publish({"n": n})
        for other in made:
            expect("a publication", await other.next("publication"), {"n": n})
    await stop_all(made)


async def broadcast_batch_and_info_have_their_effect(server):
    made, client = await many(server, "open:many"), api(server)
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
    figures = (node.num_clients, node.num_subs, node.num_channels, node.num_users)
    expect("clients, subscriptions, channels, users", figures, (len(made), len(made), 1, 1))
    await stop_all(made)


async def tokens_name_the_user(server):
    made = await many(server, "open:users", jwt(sub="42", exp=int(time.time()) + 3600))
    info = await in_thread(api(server).info, cent.InfoRequest())
    expect("users", info.nodes[0].num_users, 1)
    await stop_all(made)


async def what_is_not_permitted_is_refused_with_its_code(server):
    for kind, protobuf in KINDS:
        one = kind(server.websocket, protobuf, "closed:room")
        await one.start()
        expect("a closed channel", (await one.next("unsubscribed"))[0], 103)
        await one.stop()
        bad = kind(server.websocket, protobuf, "open:room", jwt(sub="42") + "x")
        await bad.start()
        expect("a forged token", (await bad.next("disconnected"))[0], 3500)
        await bad.stop()


async def patches_become_whole_documents_again(server):
    """Clients with deltas come before and between the publications; a raw connection sees that patches are sent."""
    client, raw = api(server), Raw(server.websocket, "")
    await raw.start()
    await raw.command({"id": 2, "subscribe": {"channel": "delta:doc", "delta": "fossil"}})
    made, marks = [], []
    for n in range(8):
        late = [JavaScript(server.websocket, protobuf, "delta:doc") for protobuf in (False, True) for _ in range(2)] if n % 3 == 0 else []
        for one in late:
            await one.start()
            await one.next("subscribed")
        made += late
        document = {"n": n, "text": "жäé€😀 <&> " * 20, "changes": "ю" * n}
        await in_thread(client.publish, cent.PublishRequest(channel="delta:doc", data=document))
        for one in made:
            expect("the document", await one.next("publication"), document)
        marks.append((await raw.next_push())["pub"].get("delta", False))
    expect("patches after the first publication", marks, [False] + [True] * 7)
    await stop_all([*made, raw])


CHECKS = [
    publications_of_cent_reach_every_kind_of_subscriber,
    publications_of_clients_reach_every_kind_of_subscriber,
    broadcast_batch_and_info_have_their_effect,
    tokens_name_the_user,
    patches_become_whole_documents_again,
    what_is_not_permitted_is_refused_with_its_code,
]
