"""The server API with npm `cent.js`: its methods, and its pipeline in the one-endpoint form."""

import json

from harness import HERE, KEY, expect, jwt, output_of
from subscribers import stop_all, subscribers


async def cent_js_calls_every_method(server):
    made = await subscribers(server, "pres:room", jwt(sub="42"))
    code, lines = await output_of("node", HERE / "cent.mjs", server.api, KEY, "js")
    expect("exit code of cent.mjs", (code, lines if code else None), (0, None))
    told = dict(json.loads(line) for line in lines)
    position = told["publish"]
    expect("publish", sorted(position), ["epoch", "offset"])
    epoch = position["epoch"]
    expected = {
        "publish": {"offset": 1, "epoch": epoch},
        "skip_history": {},
        "broadcast": {
            "responses": [
                {"result": {"offset": 2, "epoch": epoch}},
                {"error": {"code": 102, "message": "unknown channel"}},
            ]
        },
        "history": {
            "publications": [{"data": {"n": 1}, "offset": 1, "tags": {"a": "b"}}, {"data": {"n": 2}, "offset": 2}],
            "epoch": epoch,
            "offset": 2,
        },
        "reverse": {"publications": [{"data": {"n": 2}, "offset": 2}], "epoch": epoch, "offset": 2},
        "history_remove": {},
        "after": {"publications": [], "epoch": epoch, "offset": 2},
        "presence_stats": {"num_clients": len(made), "num_users": 1},
        "channels": {"channels": {"pres:room": {"num_clients": len(made)}}},
        "subscribe": {},
        "unsubscribe": {},
        "refresh": {},
        "disconnect": {},
    }
    for name, value in expected.items():
        expect(name, told[name], value)
    users = [info["user"] for info in told["presence"]["presence"].values()]
    expect("users in presence", users, ["42"] * len(made))
    expect("clients of the node", told["info"]["nodes"][0]["num_clients"], len(made))
    # cent.js shows results only: a refused command has none.
    published, refused, stats, info = told["pipeline"]
    expect("the pipeline", (published, refused, stats), ({"offset": 3, "epoch": epoch}, None, {"num_clients": 0, "num_users": 0}))
    expect("nodes in the pipeline", len(info["nodes"]), 1)
    for name in ("unknown", "wrong key"):
        assert "error" in told[name], f"{name}: expected an exception, got {told[name]!r}"
    for one in made:
        expect("subscribe", (await one.next("server_subscribed"))["channel"], "plain:pushed")
        expect("unsubscribe", await one.next("unsubscribed"), (2000, "server unsubscribe"))
        expect("disconnect", await one.next("disconnected"), (3503, "force disconnect"))
    await stop_all(made)


CHECKS = [cent_js_calls_every_method]
