"""Official clients whose libraries compress (RFC 7692), each in its own way, in one channel."""

import cent
import requests

from harness import CONFIG, KEY, PATIENCE, configured, expect, in_thread
from subscribers import Raw, stop_all, subscribers

COMPRESSED = CONFIG | {"websocket": {"compression": True}, "prometheus": {"enabled": True}}


async def figure(server, name):
    """A figure of /metrics."""
    answer = await in_thread(lambda: requests.get(f"http://{server.base}/metrics", timeout=PATIENCE))
    return next(int(line.split()[1]) for line in answer.text.splitlines() if line.startswith(f"{name} "))


@configured(COMPRESSED)
async def official_clients_compress_and_get_publications_compressed(server):
    made = await subscribers(server, "open:news", of_each=4)
    raw = Raw(server.websocket, "")
    await raw.start()
    expect("extensions of the Python library", [e.name for e in raw.socket.protocol.extensions], ["permessage-deflate"])
    await raw.command({"id": 2, "subscribe": {"channel": "open:news"}})
    before = await figure(server, "corecast_deflated_messages_total")
    assert await figure(server, "corecast_inflated_messages_total") > 0, "commands came compressed"
    client = cent.Client(server.api, KEY, timeout=PATIENCE)
    texts = ["é", "word " * 100, "".join(f"{n:05}" for n in range(8000))]
    for n, text in enumerate(texts):
        await in_thread(client.publish, cent.PublishRequest(channel="open:news", data={"n": n, "text": text}))
    for n, text in enumerate(texts):
        for one in made:
            expect("a publication", await one.next("publication"), {"n": n, "text": text})
        expect("the same without a client", (await raw.next_push())["pub"]["data"], {"n": n, "text": text})
    after = await figure(server, "corecast_deflated_messages_total")
    expect("compressed, once in JSON and once in Protobuf", after - before, len(texts) * 2)
    await raw.stop()
    await stop_all(made)


CHECKS = [official_clients_compress_and_get_publications_compressed]
