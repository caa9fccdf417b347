// Prints what is published to a channel, with Centrifugo's own JavaScript client.
// npm install centrifuge ws && node examples/subscribe.mjs public:news [ws://127.0.0.1:8000/connection/websocket]
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';

const [channel = 'public:news', url = 'ws://127.0.0.1:8000/connection/websocket'] = process.argv.slice(2);
const client = new Centrifuge(url, { websocket: WebSocket });
client.on('connected', () => console.error(`connected to ${url}`));
client.on('disconnected', ctx => console.error(`disconnected: ${ctx.code} ${ctx.reason}`));
const subscription = client.newSubscription(channel);
subscription.on('subscribed', () => console.error(`subscribed to ${channel}`));
subscription.on('publication', ctx => console.log(JSON.stringify(ctx.data)));
subscription.subscribe();
client.connect();
