// One subscriber with Centrifugo's JavaScript client: prints a JSON line [kind, value] for everything that happens to it.
// node live.mjs URL json|protobuf CHANNEL [TOKEN]
import { Centrifuge as Json } from 'centrifuge';
import { Centrifuge as Protobuf } from 'centrifuge/build/protobuf';
import WebSocket from 'ws';

const [url, encoding, channel, token] = process.argv.slice(2);
const say = (kind, value = null) => console.log(JSON.stringify([kind, value]));
const decode = data => (encoding === 'protobuf' && data?.length ? JSON.parse(new TextDecoder().decode(data)) : data ?? null);
const encode = data => (encoding === 'protobuf' ? new TextEncoder().encode(JSON.stringify(data)) : data);

const client = new (encoding === 'protobuf' ? Protobuf : Json)(url, { websocket: WebSocket, token });
client.on('connected', ctx => say('connected', ctx.client));
client.on('connecting', ctx => say('connecting', [ctx.code, ctx.reason]));
client.on('disconnected', ctx => say('disconnected', [ctx.code, ctx.reason]));
client.on('error', ctx => say('error', ctx.error));
client.on('subscribed', ctx => say('server_subscribed', {
  channel: ctx.channel, data: ctx.data?.length === 0 ? null : decode(ctx.data), recoverable: !!ctx.recoverable,
}));
client.on('unsubscribed', ctx => say('server_unsubscribed', ctx.channel));
client.on('publication', ctx => say('server_publication', decode(ctx.data)));
// Channels of this namespace are listened to with deltas.
const subscription = client.newSubscription(channel, channel.startsWith('delta:') ? { delta: 'fossil' } : {});
subscription.on('subscribed', () => say('subscribed'));
subscription.on('unsubscribed', ctx => say('unsubscribed', [ctx.code, ctx.reason]));
subscription.on('error', ctx => say('error', ctx.error));
subscription.on('publication', ctx => say('publication', decode(ctx.data)));
subscription.subscribe();
client.connect();

// A line on standard input is published to the channel; its end ends the client.
process.stdin.setEncoding('utf8');
let rest = '';
process.stdin.on('data', async text => {
  const lines = (rest + text).split('\n');
  rest = lines.pop();
  for (const line of lines) {
    await subscription.publish(encode(JSON.parse(line))).then(() => say('published'), error => say('error', error));
  }
});
process.stdin.on('end', () => {
  client.on('disconnected', () => process.exit(0));
  if (client.state === 'disconnected') process.exit(0);
  client.disconnect();
});
