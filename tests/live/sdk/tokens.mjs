// Tokens of connections and subscriptions that expire. The server gives up what is not refreshed three seconds late.
import { expect, jwt, position, seconds } from './world.mjs';

const LIFE_S = 2;
const never = () => new Promise(() => {});

export async function a_connection_lives_on_with_the_tokens_that_it_asks_for(world) {
  const token = () => jwt({ sub: '42', exp: seconds() + LIFE_S, info: { name: 'é' } });
  const getToken = async () => {
    client.events.put('asked');
    return token();
  };
  const client = await world.connected({ token: token(), getToken });
  const forgetful = await world.connected({ token: token(), getToken: never });
  const channel = world.channel('pres');
  const subscription = await world.subscribed(client, channel);

  // By then the first token has been of no use for longer than the server waits.
  await forgetful.events.next('connecting');
  const end = await forgetful.events.next('connecting');
  expect('the end of a connection without a fresh token', [end.code, end.reason], [3005, 'connection expired']);
  await client.events.take('asked', 3);
  expect('connections', [client.events.left('connecting'), client.events.left('disconnected')], [1, 0]);
  await world.publish(channel, { n: 1 });
  expect('a publication', world.decode((await subscription.events.next('publication')).data), { n: 1 });
  const { clients } = await subscription.presence();
  expect('who is there', Object.values(clients).map(one => [one.user, world.decode(one.connInfo)]), [['42', { name: 'é' }]]);
}

export async function an_expired_token_is_replaced_at_once(world) {
  const getToken = async () => {
    client.events.put('asked');
    return jwt({ sub: '42', exp: seconds() + 600 });
  };
  const client = world.client({ token: jwt({ sub: '42', exp: seconds() - 600 }), getToken });
  client.connect();
  await client.events.next('connected');
  expect('questions for a token', client.events.left('asked'), 1);

  const channel = world.channel('closed');
  const grant = exp => jwt({ sub: '42', channel, exp: seconds() + exp });
  const subscription = await world.subscribed(client, channel, { token: grant(-600), getToken: async () => grant(600) });
  await world.publish(channel, { n: 1 });
  expect('a publication', world.decode((await subscription.events.next('publication')).data), { n: 1 });
}

export async function a_subscription_lives_on_with_the_tokens_that_it_asks_for(world) {
  const client = await world.connected({ token: jwt({ sub: '42' }) });
  const token = channel => jwt({ sub: '42', channel, exp: seconds() + LIFE_S, info: { role: 'ж' } });
  const [kept, lost] = [world.channel('closed'), `${world.channel('closed')}2`];
  const getToken = async ({ channel }) => {
    subscription.events.put('asked');
    return token(channel);
  };
  const subscription = world.subscription(client, kept, { getToken });
  await subscription.events.next('subscribed');
  const forgetful = await world.subscribed(client, lost, { token: token(lost), getToken: never });

  await forgetful.events.next('subscribing');
  const end = await forgetful.events.next('subscribing');
  expect('the end of a subscription without a fresh token', [end.code, end.reason], [2501, 'subscription expired']);
  await subscription.events.take('asked', 3);
  expect('subscriptions', [subscription.events.left('subscribing'), subscription.events.left('unsubscribed')], [1, 0]);
  await world.publish(kept, { n: 1 });
  expect('a publication', world.decode((await subscription.events.next('publication')).data), { n: 1 });
  const { clients } = await subscription.presence();
  expect('who is there', Object.values(clients).map(one => world.decode(one.chanInfo)), [{ role: 'ж' }]);
}

export async function a_token_subscribes_its_channels(world) {
  const channels = [world.channel('plain'), world.channel('hist')];
  const client = await world.connected({ token: jwt({ sub: '42', channels }) });
  const told = await client.events.take('subscribed', 2);
  expect('channels', told.map(one => one.channel).sort(), [...channels].sort());
  const stream = position(told.find(one => one.channel === channels[1]));
  expect('the position of a stream', [stream.recoverable, stream.positioned, stream.offset], [true, true, 0]);
  await world.api('unsubscribe', { user: '42', channel: channels[0] });
  expect('unsubscribed', (await client.events.next('unsubscribed')).channel, channels[0]);
}
