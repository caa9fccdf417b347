// One subscriber with Centrifugo's JavaScript client: prints a JSON line for everything that happens to it.
// node live.mjs URL json|protobuf CHANNEL [TOKEN]
import { Centrifuge as Json } from 'centrifuge';
import { Centrifuge as Protobuf } from 'centrifuge/build/protobuf';
import WebSocket from 'ws';

const [url, encoding, channel, token] = process.argv.slice(2);
const say = (event, rest = {}) => console.log(JSON.stringify({ event, ...rest }));
const decode = data => (encoding === 'protobuf' ? JSON.parse(new TextDecoder().decode(data)) : data);
const encode = data => (encoding === 'protobuf' ? new TextEncoder().encode(JSON.stringify(data)) : data);

const client = new (encoding === 'protobuf' ? Protobuf : Json)(url, { websocket: WebSocket, token });
client.on('connected', ctx => say('connected', { client: ctx.client }));
client.on('disconnected', ctx => say('disconnected', { code: ctx.code, reason: ctx.reason }));
client.on('error', ctx => say('error', ctx.error));
const subscription = client.newSubscription(channel);
subscription.on('subscribed', () => say('subscribed'));
subscription.on('unsubscribed', ctx => say('unsubscribed', { code: ctx.code }));
subscription.on('error', ctx => say('error', ctx.error));
subscription.on('publication', ctx => say('publication', { data: decode(ctx.data), info: ctx.info }));
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
  client.disconnect();
});
