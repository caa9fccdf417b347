// What scenarios need: clients whose events are collected, lines that can be cut, tokens, the server API, comparisons.
import { createHmac } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Centrifuge as Json } from 'centrifuge';
import { Centrifuge as Protobuf } from 'centrifuge/build/protobuf';
import WebSocket from 'ws';

const PATIENCE_MS = 12_000;
const KINDS = [
  'connecting', 'connected', 'disconnected', 'subscribing', 'subscribed', 'unsubscribed', 'publication', 'join', 'leave', 'error',
];
const QUICK = { minReconnectDelay: 20, maxReconnectDelay: 200 };
const QUICK_SUBSCRIPTION = { minResubscribeDelay: 20, maxResubscribeDelay: 200 };

export const seconds = () => Math.floor(Date.now() / 1000);

export function jwt(claims) {
  const part = value => Buffer.from(JSON.stringify(value)).toString('base64url');
  const head = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${head}.${createHmac('sha256', 'secret').update(head).digest('base64url')}`;
}

// A comparison that fails says what it looked at.
export function expect(what, got, expected) {
  if (!isDeepStrictEqual(got, expected)) {
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`);
  }
}

// For what nobody is told of.
export async function eventually(what, ask, expected) {
  const end = Date.now() + PATIENCE_MS;
  let got = await ask();
  while (!isDeepStrictEqual(got, expected) && Date.now() < end) {
    await new Promise(resume => setTimeout(resume, 20));
    got = await ask();
  }
  expect(what, got, expected);
}

export async function refused(what, promise, code) {
  const outcome = await promise.then(() => 'no error', error => error.code);
  expect(what, outcome, code);
}

// What happens to a client or a subscription, by kind. Each event is handed out once.
export class Events {
  constructor(emitter) {
    this.queues = new Map();
    KINDS.forEach(kind => emitter.on(kind, context => this.put(kind, context)));
  }

  of(kind) {
    if (!this.queues.has(kind)) this.queues.set(kind, { events: [], wake: null });
    return this.queues.get(kind);
  }

  put(kind, context) {
    const queue = this.of(kind);
    queue.events.push(context);
    queue.wake?.();
  }

  async next(kind) {
    const queue = this.of(kind);
    while (queue.events.length === 0) {
      await new Promise((wake, fail) => {
        const late = setTimeout(() => fail(new Error(`no ${kind} came`)), PATIENCE_MS);
        queue.wake = () => wake(clearTimeout(late));
      });
    }
    return queue.events.shift();
  }

  async take(kind, count) {
    const list = [];
    while (list.length < count) list.push(await this.next(kind));
    return list;
  }

  left(kind) {
    return this.of(kind).events.length;
  }
}

// WebSockets that break without a word and cannot be made anew until the line is mended.
export class Line {
  constructor() {
    const line = this;
    this.isCut = false;
    this.open = new Set();
    this.Socket = class extends WebSocket {
      constructor(url, ...rest) {
        super(line.isCut ? 'ws://127.0.0.1:1' : url, ...rest);
        line.open.add(this);
        this.on('close', () => line.open.delete(this));
      }
    };
  }

  cut() {
    this.isCut = true;
    this.open.forEach(socket => socket.terminate());
  }

  mend() {
    this.isCut = false;
  }
}

// One run of a scenario: its encoding, its own channels, its clients.
export class World {
  constructor(websocket, api, encoding) {
    this.websocket = websocket;
    this.apiUrl = api;
    this.encoding = encoding;
    this.clients = [];
  }

  channel(namespace) {
    return `${namespace}:${this.encoding}`;
  }

  // A client that is not connected yet; `line`: it can be cut off.
  client({ line, ...options } = {}) {
    const Kind = this.encoding === 'protobuf' ? Protobuf : Json;
    const client = new Kind(this.websocket, { websocket: line?.Socket ?? WebSocket, ...QUICK, ...options });
    client.events = new Events(client);
    this.clients.push(client);
    return client;
  }

  async connected(options) {
    const client = this.client(options);
    client.connect();
    await client.events.next('connected');
    return client;
  }

  subscription(client, channel, options = {}) {
    const subscription = client.newSubscription(channel, { ...QUICK_SUBSCRIPTION, ...options });
    subscription.events = new Events(subscription);
    subscription.subscribe();
    return subscription;
  }

  // A subscription that is in place, and what its client was told of it.
  async subscribed(client, channel, options) {
    const subscription = this.subscription(client, channel, options);
    subscription.told = await subscription.events.next('subscribed');
    return subscription;
  }

  // What is not there is empty octets in Protobuf.
  decode(data) {
    if (this.encoding === 'json') return data ?? null;
    return data?.length ? JSON.parse(new TextDecoder().decode(data)) : null;
  }

  encode(data) {
    return this.encoding === 'protobuf' ? new TextEncoder().encode(JSON.stringify(data)) : data;
  }

  // Offsets and documents of the next publications.
  async publications(events, count) {
    const list = await events.take('publication', count);
    return list.map(publication => [publication.offset, this.decode(publication.data)]);
  }

  async api(method, parameters) {
    const headers = { 'X-API-Key': 'k', 'Content-Type': 'application/json' };
    const answer = await fetch(`${this.apiUrl}/${method}`, { method: 'POST', headers, body: JSON.stringify(parameters) });
    const { result, error } = await answer.json();
    if (error) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return result;
  }

  publish(channel, data, rest = {}) {
    return this.api('publish', { channel, data, ...rest });
  }

  // {n: from} to {n: to}, with offsets that are their numbers.
  async publishNumbers(channel, from, to) {
    let position;
    for (let n = from; n <= to; n += 1) position = await this.publish(channel, { n });
    return position;
  }

  close() {
    this.clients.forEach(client => client.disconnect());
  }
}

// What `publications` tells of numbers that were published to a fresh channel.
export function numbers(from, to) {
  return Array.from({ length: to - from + 1 }, (_, at) => [from + at, { n: from + at }]);
}

// The position that a subscriber was told, as far as it was told one.
export function position({ recoverable, positioned, wasRecovering, recovered, hasRecoveredPublications, streamPosition }) {
  return { recoverable, positioned, wasRecovering, recovered, hasRecoveredPublications, offset: streamPosition?.offset };
}
