// The server API with `cent.js`: runs the methods and prints a JSON line [name, result] for each, or [name, {"error": …}].
// node cent.mjs URL KEY CHANNEL-SUFFIX
import { CentClient } from 'cent.js';

const [url, apiKey, suffix] = process.argv.slice(2);
const client = new CentClient({ url, apiKey });
const say = (name, value) => console.log(JSON.stringify([name, value]));
const call = (name, promise) => promise.then(value => say(name, value), error => say(name, { error: error.message }));

const channel = `hist:${suffix}`;
await call('publish', client.publish({ channel, data: { n: 1 }, tags: { a: 'b' } }));
await call('skip_history', client.publish({ channel, data: { n: 0 }, skip_history: true }));
await call('broadcast', client.broadcast({ channels: [channel, 'nope:x'], data: { n: 2 } }));
await call('history', client.getHistory({ channel, limit: 10 }));
await call('reverse', client.getHistory({ channel, limit: 1, reverse: true }));
await call('history_remove', client.removeHistory({ channel }));
await call('after', client.getHistory({ channel, limit: 10 }));
await call('presence', client.getPresence({ channel: 'pres:room' }));
await call('presence_stats', client.getPresenceStats({ channel: 'pres:room' }));
await call('channels', client.getChannels());
await call('info', client.getInfo());
await call('subscribe', client.subscribe({ user: '42', channel: 'plain:pushed' }));
await call('unsubscribe', client.unsubscribe({ user: '42', channel: 'pres:room' }));
await call('refresh', client.refresh({ user: '43' }));
await call('unknown', client.publish({ channel: 'nope:x', data: {} }));
await call('pipeline', client.pipeline([
  { method: 'publish', params: { channel, data: { n: 3 } } },
  { method: 'presence', params: { channel: 'plain:x' } },
  { method: 'presence_stats', params: { channel: 'pres:empty' } },
  { method: 'info', params: {} },
]));
await call('disconnect', client.disconnect({ user: '42' }));
const wrong = new CentClient({ url, apiKey: 'wrong' });
await call('wrong key', wrong.getInfo());
