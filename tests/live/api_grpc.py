"""The server API over GRPC with Google's Python library and stubs made of proto/api.proto: every call, keys, error modes,
compression, health and reflection."""

import json
import sys

import grpc
import api_pb2 as pb
from api_pb2_grpc import CentrifugoApiStub
from google.protobuf import descriptor_pb2
from google.rpc import status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from harness import GRPC_KEY, HERE, PATIENCE, expect, jwt, output_of
from subscribers import Python, stop_all, subscribers

KEY = (("authorization", f"apikey {GRPC_KEY}"),)
TRANSPORT = KEY + (("x-centrifugo-error-mode", "transport"),)
SERVICE = "centrifugal.centrifugo.api.CentrifugoApi"
# Named by the file for clients of other servers; this one does not have them.
UNSERVED = (
    "Connections UpdateUserStatus GetUserStatus DeleteUserStatus BlockUser UnblockUser RevokeToken InvalidateUserTokens "
    "DeviceRegister DeviceUpdate DeviceRemove DeviceList DeviceTopicList DeviceTopicUpdate UserTopicList UserTopicUpdate "
    "SendPushNotification UpdatePushStatus CancelPush "
    "MapPublish MapRemove MapReadState MapReadStream MapStats MapClear SharedPollPublish"
).split()


class Api:
    """`await api.Publish(channel=…)`: a call with the key."""

    def __init__(self, server, metadata=KEY, **options):
        self.channel = grpc.aio.insecure_channel(server.grpc, options=list(options.items()))
        self.stub, self.metadata = CentrifugoApiStub(self.channel), metadata

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.channel.close()

    def __getattr__(self, rpc):
        request = getattr(pb, f"{rpc}Request")
        method = getattr(self.stub, rpc)

        async def call(metadata=None, compression=None, **fields):
            metadata = self.metadata if metadata is None else metadata
            return await method(request(**fields), metadata=metadata, timeout=PATIENCE, compression=compression)

        return call


def outcome(what, response):
    """The result; it is set even when it is empty, and then there is no error."""
    expect(f"{what}: error and result", (response.HasField("error"), response.HasField("result")), (False, True))
    return response.result


def refused(what, response, code):
    expect(f"{what}: error and result", (response.HasField("error"), response.HasField("result")), (True, False))
    expect(what, response.error.code, code)


async def fails(what, call, status, text=None):
    try:
        response = await call
    except grpc.aio.AioRpcError as error:
        expect(what, error.code(), status)
        if text is not None:
            expect(f"{what}: text", error.details(), text)
        return error
    raise AssertionError(f"{what}: expected {status}, got {response!r}")


async def grpc_publishes_and_reads_history(server):
    async with Api(server) as api:
        publish = lambda **rest: api.Publish(channel="hist:a", **rest)
        first = outcome("publish", await publish(data=b'{ "n" : 1 }', tags={"a": "b"}))
        expect("the first offset", first.offset, 1)
        binary = outcome("binary data", await publish(data=b"\x00\xff"))
        expect("the second position", (binary.offset, binary.epoch), (2, first.epoch))
        again = [outcome("again", await publish(data=b"3", idempotency_key="k")).offset for _ in range(2)]
        expect("an idempotent publish, twice", again, [3, 3])
        expect("skip_history", outcome("skip", await publish(data=b"0", skip_history=True)), pb.PublishResult())
        expect("b64data", outcome("b64data", await publish(b64data="NA==", delta=True)).offset, 4)

        history = outcome("history", await api.History(channel="hist:a", limit=-1))
        data = [(p.offset, p.data) for p in history.publications]
        expect("publications", data, [(1, b'{ "n" : 1 }'), (2, b"\x00\xff"), (3, b"3"), (4, b"4")])
        expect("tags", dict(history.publications[0].tags), {"a": "b"})
        since = pb.StreamPosition(offset=3, epoch=first.epoch)
        older = outcome("reverse", await api.History(channel="hist:a", limit=10, since=since, reverse=True))
        expect("offsets in reverse", [p.offset for p in older.publications], [2, 1])
        foreign = pb.StreamPosition(offset=1, epoch="no")
        refused("a foreign epoch", await api.History(channel="hist:a", since=foreign), 112)
        outcome("history_remove", await api.HistoryRemove(channel="hist:a"))
        empty = outcome("history", await api.History(channel="hist:a", limit=1))
        expect("after history_remove", (len(empty.publications), empty.offset), (0, 4))
        unused = outcome("an unused channel", await api.History(channel="hist:b", limit=1))
        expect("its offset", unused.offset, 0)

        channels = ["hist:c", "plain:c", "nope:c", ""]
        responses = outcome("broadcast", await api.Broadcast(channels=channels, data=b"1")).responses
        expect("offsets and errors", [r.error.code or r.result.offset for r in responses], [1, 0, 102, 107])


async def grpc_acts_on_subscribers(server):
    made = await subscribers(server, "pres:room", jwt(sub="42"))
    async with Api(server) as api:
        presence = outcome("presence", await api.Presence(channel="pres:room")).presence
        expect("members", [info.user for info in presence.values()], ["42"] * len(made))
        stats = outcome("stats", await api.PresenceStats(channel="pres:room"))
        expect("clients and users", (stats.num_clients, stats.num_users), (len(made), 1))
        channels = outcome("channels", await api.Channels(pattern="pres:*")).channels
        expect("channels", {name: info.num_clients for name, info in channels.items()}, {"pres:room": len(made)})
        node = outcome("info", await api.Info()).nodes[0]
        expect("clients, subscriptions", (node.num_clients, node.num_subs), (len(made), len(made)))

        outcome("subscribe", await api.Subscribe(user="42", channel="plain:pushed", data=b'{"x":1}'))
        for one in made:
            expect("the subscription", (await one.next("server_subscribed"))["data"], {"x": 1})
        outcome("publish", await api.Publish(channel="plain:pushed", data=b'{"n":1}'))
        for one in made:
            expect("its publication", await one.next("server_publication"), {"n": 1})
        outcome("unsubscribe", await api.Unsubscribe(user="42", channel="pres:room"))
        for one in made:
            expect("the end of the other", await one.next("unsubscribed"), (2000, "server unsubscribe"))
        outcome("refresh", await api.Refresh(user="42", expire_at=4102444800))
        outcome("disconnect", await api.Disconnect(user="42", disconnect=pb.Disconnect(code=4500, reason="bye")))
        for one in made:
            expect("the disconnect", await one.next("disconnected"), (4500, "bye"))
    await stop_all(made)


async def binary_publications_reach_protobuf_and_end_json(server):
    made = [Python(server.websocket, protobuf, "plain:b") for protobuf in (True, False)]
    for one in made:
        await one.start()
        await one.next("subscribed")
    async with Api(server) as api:
        outcome("binary data", await api.Publish(channel="plain:b", data=b"\x00\x01\xff"))
    expect("the bytes", await made[0].next("publication"), b"\x00\x01\xff")
    expect("a client in JSON", await made[1].next("disconnected"), (3506, "inappropriate protocol"))
    await stop_all(made)


async def grpc_errors_travel_in_both_modes(server):
    async with Api(server) as api:
        refused("no channel", await api.Publish(data=b"1"), 107)
        refused("an unknown namespace", await api.Publish(channel="nope:x", data=b"1"), 102)
        refused("presence where it is off", await api.Presence(channel="plain:x"), 108)
        refused("no such procedure", await api.RPC(method="x"), 104)
        refused("a broken pattern", await api.Channels(pattern="["), 100)
        rows = [
            ("Publish", {"data": b"1"}, grpc.StatusCode.INVALID_ARGUMENT, 107, "bad request"),
            ("Publish", {"channel": "nope:x", "data": b"1"}, grpc.StatusCode.NOT_FOUND, 102, "unknown channel"),
            ("History", {"channel": "plain:x"}, grpc.StatusCode.INVALID_ARGUMENT, 108, "not available"),
            ("RPC", {"method": "x"}, grpc.StatusCode.NOT_FOUND, 104, "not found"),
            ("Channels", {"pattern": "["}, grpc.StatusCode.INTERNAL, 100, "internal server error"),
            (
                "History",
                {"channel": "hist:x", "since": pb.StreamPosition(offset=1, epoch="no")},
                grpc.StatusCode.OUT_OF_RANGE,
                112,
                "unrecoverable position",
            ),
        ]
        for rpc, fields, status, code, text in rows:
            error = await fails(f"{rpc} {fields}", getattr(api, rpc)(metadata=TRANSPORT, **fields), status, text)
            details = dict(error.trailing_metadata()).get("grpc-status-details-bin")
            assert details, f"{rpc} {fields}: expected details, got {error.trailing_metadata()!r}"
            detail, inner = status_pb2.Status.FromString(details), pb.Error()
            expect("the status in the details", (detail.code, detail.message), (status.value[0], text))
            expect("details", len(detail.details), 1)
            url = "type.googleapis.com/centrifugal.centrifugo.api.Error"
            expect("the type of the detail", detail.details[0].type_url, url)
            detail.details[0].Unpack(inner)
            expect("the error in the details", (inner.code, inner.message), (code, text))
        fine = await api.Publish(metadata=TRANSPORT, channel="plain:x", data=b"1")
        expect("success in that mode", outcome("publish", fine), pb.PublishResult())


async def grpc_batches(server):
    commands = [
        pb.Command(publish=pb.PublishRequest(channel="hist:a", data=b"1")),
        pb.Command(publish=pb.PublishRequest(channel="nope:a", data=b"1")),
        pb.Command(presence_stats=pb.PresenceStatsRequest(channel="pres:a")),
        pb.Command(history=pb.HistoryRequest(channel="hist:none", limit=1)),
        pb.Command(channels=pb.ChannelsRequest()),
        pb.Command(info=pb.InfoRequest()),
        pb.Command(connections=pb.ConnectionsRequest()),
        pb.Command(),
    ]
    async with Api(server) as api:
        for n, metadata in enumerate((KEY, TRANSPORT)):
            replies = (await api.Batch(metadata=metadata, commands=commands, parallel=n == 1)).replies
            expect("replies", len(replies), len(commands))
            expect("the offset", replies[0].publish.offset, n + 1)
            expect("errors", [reply.error.code for reply in replies], [0, 102, 0, 0, 0, 0, 104, 104])
            held = [name for reply, name in zip(replies[2:], ("presence_stats", "history", "channels", "info"))
                    if reply.HasField(name)]
            expect("results", held, ["presence_stats", "history", "channels", "info"])


async def grpc_asks_for_the_key(server):
    bad = [(), (("authorization", "apikey wrong"),), (("authorization", f"ApiKey {GRPC_KEY}"),),
           (("authorization", GRPC_KEY),), (("authorization", f"apikey  {GRPC_KEY}"),), (("x-api-key", GRPC_KEY),),
           (("authorization", "apikey wrong"), *KEY)]
    async with Api(server) as api:
        for metadata in bad:
            await fails(f"{metadata}", api.Info(metadata=metadata), grpc.StatusCode.UNAUTHENTICATED, "unauthenticated")
        await fails("a paid call", api.Connections(metadata=()), grpc.StatusCode.UNAUTHENTICATED)
        outcome("a second key", await api.Info(metadata=(*KEY, ("authorization", "apikey wrong"))))


async def grpc_serves_every_call_of_the_file_or_says_that_it_does_not(server):
    service = pb.DESCRIPTOR.services_by_name["CentrifugoApi"]
    async with Api(server) as api:
        for method in service.methods:
            call = getattr(api, method.name)()
            if method.name in UNSERVED:
                text = f"method {method.name} not implemented"
                await fails(method.name, call, grpc.StatusCode.UNIMPLEMENTED, text)
            else:
                await call
        unknown = api.channel.unary_unary(f"/{SERVICE}/Nope")
        await fails("an unknown call", unknown(b"", metadata=KEY), grpc.StatusCode.UNIMPLEMENTED)
        unknown = api.channel.unary_unary("/no.Service/Nope")
        await fails("an unknown service", unknown(b""), grpc.StatusCode.UNIMPLEMENTED)
        garbage = api.channel.unary_unary(f"/{SERVICE}/Publish")
        await fails("no message", garbage(b"\xff\xff", metadata=KEY), grpc.StatusCode.INTERNAL)


async def grpc_takes_compressed_and_large_messages(server):
    async with Api(server, **{"grpc.max_receive_message_length": -1}) as api:
        data = json.dumps(["word"] * 100_000).encode()
        for n, compression in enumerate((grpc.Compression.NoCompression, grpc.Compression.Gzip)):
            published = await api.Publish(compression=compression, channel="hist:large", data=data)
            expect("the offset", outcome("publish", published).offset, n + 1)
        history = outcome("history", await api.History(compression=grpc.Compression.Gzip, channel="hist:large", limit=5))
        assert [p.data for p in history.publications] == [data, data], "large publications come back as they went"
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            too_large = api.Publish(compression=compression, channel="plain:x", data=bytes(5 << 20))
            await fails("5 MiB", too_large, grpc.StatusCode.RESOURCE_EXHAUSTED)
        many = await api.Batch(commands=[pb.Command(info=pb.InfoRequest())] * 1000, parallel=True)
        expect("a batch of 1000", len(many.replies), 1000)


async def grpc_health_is_told_without_a_key(server):
    async with grpc.aio.insecure_channel(server.grpc) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        serving = health_pb2.HealthCheckResponse.SERVING
        for service in ("", SERVICE):
            reply = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE)
            expect(f"health of {service!r}", reply.status, serving)
        nobody = stub.Check(health_pb2.HealthCheckRequest(service="no.Service"), timeout=PATIENCE)
        await fails("health of an unknown service", nobody, grpc.StatusCode.NOT_FOUND)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        expect("health as it is watched", (await watch.read()).status, serving)
        watch.cancel()


async def grpc_reflection_lists_and_describes(server):
    async with grpc.aio.insecure_channel(server.grpc) as channel:
        for version in ("v1", "v1alpha"):
            # Both versions have the same messages under other package names.
            ask = channel.stream_stream(
                f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
            )
            requests = [
                reflection_pb2.ServerReflectionRequest(list_services=""),
                reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
                reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.Such"),
            ]
            replies = [reply async for reply in ask(iter(requests), timeout=PATIENCE)]
            expect(f"replies of {version}", len(replies), len(requests))
            names = {service.name for service in replies[0].list_services_response.service}
            wanted = {SERVICE, "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
            assert wanted <= names, f"services of {version}: expected {sorted(wanted)}, got {sorted(names)}"
            files = [descriptor_pb2.FileDescriptorProto.FromString(text)
                     for text in replies[1].file_descriptor_response.file_descriptor_proto]
            services = [service.name for file in files for service in file.service]
            expect(f"the service in the file of {version}", services, ["CentrifugoApi"])
            expect(f"an unknown symbol of {version}", replies[2].error_response.error_code, grpc.StatusCode.NOT_FOUND.value[0])


async def the_python_of_the_page_runs(server):
    page = (HERE.parent.parent / "docs" / "api.md").read_text()
    program = page.split("\n```python\n")[1].split("\n```")[0]
    for ours, its in [("127.0.0.1:10000", server.grpc), ("grpc-key", GRPC_KEY), ("chat:room", "hist:page")]:
        assert ours in program, f"docs/api.md: expected {ours} in {program}"
        program = program.replace(ours, its)
    code, lines = await output_of(sys.executable, "-c", program)
    expect("the program of docs/api.md", (code, lines[:1]), (0, ["offset: 1"]))


CHECKS = [
    grpc_publishes_and_reads_history,
    grpc_acts_on_subscribers,
    binary_publications_reach_protobuf_and_end_json,
    grpc_errors_travel_in_both_modes,
    grpc_batches,
    grpc_asks_for_the_key,
    grpc_serves_every_call_of_the_file_or_says_that_it_does_not,
    grpc_takes_compressed_and_large_messages,
    grpc_health_is_told_without_a_key,
    grpc_reflection_lists_and_describes,
    the_python_of_the_page_runs,
]
