"""What the server API does to connected clients, seen by every official client and on the bare connection."""

import time

import cent

from api_cent import Async, Sync
from harness import expect, jwt
from subscribers import KINDS, Python, Raw, stop_all, subscribers


async def with_cent(server, check, client=Async):
    async with client(server) as call:
        await check(call)


async def subscribe_and_unsubscribe_reach_clients(server):
    made = await subscribers(server, "plain:own", jwt(sub="42"))
    other = Python(server.websocket, False, "plain:own", jwt(sub="43"))
    await other.start()
    await other.next("subscribed")

    async def check(call):
        await call("subscribe", cent.SubscribeRequest(user="42", channel="plain:pushed", data={"x": 1}))
        for one in made:
            value = {"channel": "plain:pushed", "data": {"x": 1}, "recoverable": False}
            expect("a server-side subscription", await one.next("server_subscribed"), value)
        await call("publish", cent.PublishRequest(channel="plain:pushed", data={"n": 1}))
        for one in made:
            expect("its publication", await one.next("server_publication"), {"n": 1})
        await call("unsubscribe", cent.UnsubscribeRequest(user="42", channel="plain:pushed"))
        for one in made:
            expect("its end", await one.next("server_unsubscribed"), "plain:pushed")
        await call("unsubscribe", cent.UnsubscribeRequest(user="42", channel="plain:own"))
        for one in made:
            expect("the end of its own subscription", await one.next("unsubscribed"), (2000, "server unsubscribe"))
        channels = (await call("channels", cent.ChannelsRequest())).channels
        expect("who is left", {name: info.num_clients for name, info in channels.items()}, {"plain:own": 1})

    await with_cent(server, check, Sync)
    await stop_all([*made, other])


async def a_server_side_subscription_recovers_where_the_namespace_says_so(server):
    made = await subscribers(server, "plain:own", jwt(sub="42"))

    async def check(call):
        await call("publish", cent.PublishRequest(channel="rec:room", data={"n": 1}))
        await call("subscribe", cent.SubscribeRequest(user="42", channel="rec:room"))
        for one in made:
            value = {"channel": "rec:room", "data": None, "recoverable": True}
            expect("a recoverable subscription", await one.next("server_subscribed"), value)
        await call("publish", cent.PublishRequest(channel="rec:room", data={"n": 2}))
        for one in made:
            expect("its publication", await one.next("server_publication"), {"n": 2})

    await with_cent(server, check)
    await stop_all(made)


async def disconnect_reaches_clients_with_its_code(server):
    async def check(call):
        for request, expected in [
            (cent.DisconnectRequest(user="42"), (3503, "force disconnect")),
            (cent.DisconnectRequest(user="42", disconnect=cent.Disconnect(code=4500, reason="bye")), (4500, "bye")),
        ]:
            made = await subscribers(server, "plain:room", jwt(sub="42"))
            await call("disconnect", request)
            for one in made:
                expect("the disconnect", await one.next("disconnected"), expected)
            await stop_all(made)

    await with_cent(server, check, Sync)


async def disconnect_spares_the_whitelist_and_picks_a_client(server):
    made = [Python(server.websocket, protobuf, "plain:room", jwt(sub="42")) for protobuf in (False, True, False)]
    ids = []
    for one in made:
        await one.start()
        ids.append(await one.next("connected"))
        await one.next("subscribed")

    async def check(call):
        await call("disconnect", cent.DisconnectRequest(user="42", client=ids[0]))
        expect("the one that was named", await made[0].next("disconnected"), (3503, "force disconnect"))
        await call("disconnect", cent.DisconnectRequest(user="42", whitelist=[ids[1]]))
        expect("one that was not spared", await made[2].next("disconnected"), (3503, "force disconnect"))
        await call("publish", cent.PublishRequest(channel="plain:room", data={"n": 1}))
        expect("the one that was spared", await made[1].next("publication"), {"n": 1})

    await with_cent(server, check)
    await stop_all(made)


async def refresh_expires_connections(server):
    for kind, protobuf in KINDS:
        one = kind(server.websocket, protobuf, "plain:room", jwt(sub="42"))
        await one.start()
        await one.next("subscribed")
        await with_cent(server, lambda call: call("refresh", cent.RefreshRequest(user="42", expired=True)), Sync)
        while True:  # the client says that it connects before it is connected for the first time, too
            code, reason = await one.next("connecting")
            if code >= 3000:
                break
        expect("the end that clients return from", (code, reason), (3005, "connection expired"))
        await one.next("connected")
        await one.stop()


async def pushes_are_as_centrifugo_writes_them(server):
    one = Raw(server.websocket, jwt(sub="42"))
    await one.start()

    async def check(call):
        await call("subscribe", cent.SubscribeRequest(user="42", channel="plain:a", data={"x": 1}))
        expect("subscribe", await one.next_push(), {"channel": "plain:a", "subscribe": {"data": {"x": 1}}})
        await call("subscribe", cent.SubscribeRequest(user="42", channel="plain:a"))
        expect("subscribe again", await one.next_push(), {"channel": "plain:a", "subscribe": {}})
        await call("unsubscribe", cent.UnsubscribeRequest(user="42", channel="plain:a"))
        end = {"code": 2000, "reason": "server unsubscribe"}
        expect("unsubscribe", await one.next_push(), {"channel": "plain:a", "unsubscribe": end})

        position = await call("publish", cent.PublishRequest(channel="rec:a", data=1))
        await call("subscribe", cent.SubscribeRequest(user="42", channel="rec:a"))
        stream = {"recoverable": True, "epoch": position.epoch, "offset": 1, "positioned": True}
        expect("subscribe with recovery", await one.next_push(), {"channel": "rec:a", "subscribe": stream})
        switches = cent.ChannelOptionsOverride(force_recovery=cent.BoolValue(value=False))
        await call("subscribe", cent.SubscribeRequest(user="42", channel="rec:a", override=switches))
        expect("subscribe with an override", await one.next_push(), {"channel": "rec:a", "subscribe": {}})

        await call("refresh", cent.RefreshRequest(user="42", expire_at=int(time.time()) + 60))
        push = await one.next_push()
        assert push.get("refresh", {}).get("expires") is True and 58 <= push["refresh"]["ttl"] <= 60, f"refresh: got {push}"
        await call("subscribe", cent.SubscribeRequest(user="42", channel="pres:a", info={"i": 1}))
        await one.next_push()
        presence = (await call("presence", cent.PresenceRequest(channel="pres:a"))).presence
        expect("chan_info", [info.chan_info for info in presence.values()], [{"i": 1}])
        await call("disconnect", cent.DisconnectRequest(user="42", disconnect=cent.Disconnect(code=4000, reason="x")))
        expect("disconnect", await one.closed(), (4000, "x"))

    await with_cent(server, check)


CHECKS = [
    subscribe_and_unsubscribe_reach_clients,
    a_server_side_subscription_recovers_where_the_namespace_says_so,
    disconnect_reaches_clients_with_its_code,
    disconnect_spares_the_whitelist_and_picks_a_client,
    refresh_expires_connections,
    pushes_are_as_centrifugo_writes_them,
]
