"""The server API from Go in the form of gocent (gocent/main.go, built by run.sh), with subscribers that see the effects."""

from harness import HERE, KEY, expect, jwt, output_of
from subscribers import stop_all, subscribers


async def go_calls_every_method_in_the_one_endpoint_form(server):
    made = await subscribers(server, "pres:room", jwt(sub="42"))
    code, lines = await output_of(HERE / ".venv" / "gocent", server.api, KEY)
    expect("exit code of gocent", (code, lines[-1:] if code else None), (0, None))
    for one in made:
        expect("subscribe", (await one.next("server_subscribed"))["channel"], "plain:pushed")
        expect("unsubscribe", await one.next("unsubscribed"), (2000, "server unsubscribe"))
        expect("disconnect", await one.next("disconnected"), (4500, "bye"))
    await stop_all(made)


CHECKS = [go_calls_every_method_in_the_one_endpoint_form]
