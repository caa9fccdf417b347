"""Scenarios with npm `centrifuge` against the real binary, in JSON and Protobuf: each exported function of the files in
sdk/ is one."""

import re

from harness import CONFIG, HERE, HISTORY, KEY, OPEN, configured, expect, output_of

STREAM = {"force_recovery": True, "history_ttl": "300s", "allow_history_for_subscriber": True, "allow_history_for_anonymous": True}
PRESENCE = {"presence": True, "allow_presence_for_subscriber": True}

SDK = {
    "http_api": {"key": KEY},
    "client": {**CONFIG["client"], "expired_close_delay": "3s", "expired_sub_close_delay": "3s"},
    "channel": {
        "namespaces": [
            {"name": "plain", "allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True},
            {"name": "closed", **PRESENCE},
            {"name": "pres", **OPEN, **PRESENCE, "join_leave": True},
            {"name": "hist", **OPEN, **STREAM, "history_size": 500},
            {"name": "small", **OPEN, **STREAM, "history_size": 5},
            {"name": "tags", **OPEN, **STREAM, "history_size": 100, "allow_tags_filter": True},
            {"name": "delta", **OPEN, **STREAM, "history_size": 100, "allowed_delta_types": ["fossil"], "delta_publish": True},
            {"name": "cache", **OPEN, **HISTORY, "force_recovery": True, "force_recovery_mode": "cache"},
            {"name": "auto", **OPEN, **HISTORY, "force_recovery": True, "force_recovery_mode": "cache", "auto_cache_recover": True},
        ]
    },
}


def scenario(file, name):
    @configured(SDK)
    async def check(server):
        code, lines = await output_of("node", HERE / "sdk" / "run.mjs", file, name, server.websocket, server.api)
        expect("exit code and output", (code, lines), (0, []))

    check.__name__ = name
    return check


def scenarios():
    for file in ("tokens.mjs", "channels.mjs", "recovery.mjs"):
        for name in re.findall(r"^export async function (\w+)", (HERE / "sdk" / file).read_text(), re.MULTILINE):
            yield scenario(file, name)


CHECKS = list(scenarios())
