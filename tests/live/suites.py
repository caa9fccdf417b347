"""The tests that official client libraries bring along, unchanged but for the address, against a server with what these
tests expect of one (their compose files say it). run.sh fetches them. Each has to run whole: fewer tests than were counted
against Centrifugo, skipped ones included, are a failure too."""

import json
import pathlib
import shutil
import sys
import tempfile

from harness import HERE, configured, output_of

SUITE_PATIENCE = 150
PYTHON_TESTS, GO_TESTS = 185, 72

PYTHON_SOURCE = HERE / ".venv" / "suites" / "centrifuge_python-0.7.0"
GO_TEST = HERE / ".venv" / "suites" / "centrifuge-go.test"

STREAM = {"history_ttl": "300s", "force_recovery": True}
OF_SUBSCRIBERS = {"allow_publish_for_subscriber": True, "allow_history_for_subscriber": True}

FOR_PYTHON = {
    "client": {
        "token": {"hmac_secret_key": "secret"},
        "subscribe_to_user_personal_channel": {"enabled": True},
    },
    "channel": {
        "without_namespace": {
            **STREAM,
            **OF_SUBSCRIBERS,
            "history_size": 100,
            "presence": True,
            "allow_presence_for_subscriber": True,
            "join_leave": True,
            "force_push_join_leave": True,
            "allowed_delta_types": ["fossil"],
            "delta_publish": True,
        },
        "namespaces": [{"name": "smallhistory", **STREAM, **OF_SUBSCRIBERS, "history_size": 2}],
    },
}

FOR_GO = {
    "client": {"insecure": True},
    "channel": {
        "without_namespace": {**STREAM, "history_size": 100, "allowed_delta_types": ["fossil"], "delta_publish": True},
        "namespaces": [{"name": "smallhistory", **STREAM, "history_size": 2}],
    },
}


def judge(server, suite, passed, failed, expected):
    """Says the counts and fails with the names of what did not pass."""
    print(f"live, {server.cores} core(s): tests of {suite}: {passed} passed, {len(failed)} failed", flush=True)
    assert not failed, f"failed: {failed}"
    assert passed >= expected, f"expected {expected} tests, {passed} were there"


@configured(FOR_PYTHON)
async def the_tests_of_centrifuge_python_pass(server):
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "centrifuge-python"
        shutil.copytree(PYTHON_SOURCE, source)
        for path in (source / "tests").glob("*.py"):
            path.write_text(path.read_text().replace("localhost:8000", server.base))
        runner = [sys.executable, HERE / "unittests.py", source]
        _, lines = await output_of(*runner, patience=SUITE_PATIENCE)
    told = [json.loads(line) for line in lines if line.startswith('{"passed"')]
    assert told, f"the tests were not run to their end: {lines[-5:]}"
    judge(server, "centrifuge-python", told[-1]["passed"], told[-1]["failed"], PYTHON_TESTS)


@configured(FOR_GO)
async def the_tests_of_centrifuge_go_pass(server):
    command = ["go", "tool", "test2json", GO_TEST, "-test.v=test2json", f"-test.timeout={SUITE_PATIENCE - 10}s"]
    _, lines = await output_of(*command, patience=SUITE_PATIENCE, CORECAST_ADDRESS=server.base)
    events = [json.loads(line) for line in lines if line.startswith("{")]
    ended = {event["Test"]: event["Action"] for event in events if "Test" in event}
    failed = {test: action for test, action in ended.items() if action != "pass"}
    judge(server, "centrifuge-go", len(ended) - len(failed), failed, GO_TESTS)


CHECKS = [the_tests_of_centrifuge_python_pass, the_tests_of_centrifuge_go_pass]
