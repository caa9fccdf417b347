// Subscribers of one channel with npm `centrifuge`. Prints a line [name, "subscribed", recovered] or [name, "publication",
// [offset, digest of what it got]] as it happens, and [name, "stats", …] when its input ends.
// node deltas.mjs {"channel": …, "subscribers": [{"name": …, "url": …, "protobuf": …, "delta": …}]}
import { createHash } from 'node:crypto';
import { Centrifuge as Json } from 'centrifuge';
import { Centrifuge as Protobuf } from 'centrifuge/build/protobuf';
import WebSocket from 'ws';

const { channel, subscribers } = JSON.parse(process.argv[2]);
const say = (...fields) => console.log(JSON.stringify(fields));
const QUICK = { minReconnectDelay: 20, maxReconnectDelay: 200, websocket: WebSocket };

const made = subscribers.map(({ name, url, protobuf, delta }) => {
  const client = new (protobuf ? Protobuf : Json)(url, QUICK);
  const subscription = client.newSubscription(channel, delta ? { delta: 'fossil' } : {});
  const digest = data => createHash('sha256').update(protobuf ? data : JSON.stringify(data)).digest('hex');
  subscription.on('subscribed', ({ recovered }) => say(name, 'subscribed', recovered));
  subscription.on('publication', ({ offset, data }) => say(name, 'publication', [offset ?? 0, digest(data)]));
  subscription.on('error', ({ error }) => say(name, 'error', String(error.message ?? error)));
  subscription.on('unsubscribed', ({ code, reason }) => say(name, 'unsubscribed', [code, reason]));
  client.on('disconnected', ({ code, reason }) => say(name, 'disconnected', [code, reason]));
  subscription.subscribe();
  client.connect();
  return { name, subscription };
});

process.stdin.resume();
process.stdin.on('end', () => {
  made.forEach(({ name, subscription }) => say(name, 'stats', subscription.deltaStats()));
  process.exit();
});
