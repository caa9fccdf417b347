#!/bin/sh
# Prints how to publish to and watch the server that `make run` starts.
set -eu
key=$(sed -n 's/.*"key": *"\([^"]*\)".*/\1/p' "$1" | head -n 1)
cat <<TEXT

Corecast with $1 on http://127.0.0.1:8000 (Ctrl-C stops it). In another terminal:

  publish    curl -H 'X-API-Key: $key' -d '{"channel":"public:news","data":{"text":"hello"}}' http://127.0.0.1:8000/api/publish
  watch      ${CARGO_TARGET_DIR:-target}/release/corecast watch public:news
             or any Centrifugo SDK on ws://127.0.0.1:8000/connection/websocket to the channel public:news

TEXT
