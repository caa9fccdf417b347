// Lines that are really cut: what was published meanwhile arrives in order, exactly once.
import { Line, expect, jwt, numbers, position } from './world.mjs';

const RECOVERED = { recoverable: true, positioned: true, wasRecovering: true, recovered: true, hasRecoveredPublications: true };

export async function what_was_missed_arrives_in_order_and_once(world) {
  const [line, channel] = [new Line(), world.channel('hist')];
  const subscription = await world.subscribed(await world.connected({ line }), channel);
  await world.publishNumbers(channel, 1, 3);
  expect('before the cut', await world.publications(subscription.events, 3), numbers(1, 3));
  for (const [from, to] of [[4, 4], [5, 40], [41, 90]]) {
    line.cut();
    await world.publishNumbers(channel, from, to);
    line.mend();
    expect('the position', position(await subscription.events.next('subscribed')), { ...RECOVERED, offset: from - 1 });
    expect('what was missed', await world.publications(subscription.events, to - from + 1), numbers(from, to));
  }
  line.cut();
  line.mend();
  const nothing = { ...RECOVERED, hasRecoveredPublications: false, offset: 90 };
  expect('nothing was missed', position(await subscription.events.next('subscribed')), nothing);
  await world.publishNumbers(channel, 91, 95);
  expect('the next', await world.publications(subscription.events, 5), numbers(91, 95));
  expect('more', subscription.events.left('publication'), 0);
}

export async function cuts_amid_a_stream_lose_and_double_nothing(world) {
  const [line, channel, count] = [new Line(), world.channel('hist'), 400];
  const subscription = await world.subscribed(await world.connected({ line }), channel);
  let seen = 0;
  let cuts = 0;
  subscription.on('publication', () => {
    seen += 1;
    if (seen % 50 === 17) {
      cuts += 1;
      line.cut();
      setImmediate(() => line.mend());
    }
  });
  const publishing = world.publishNumbers(channel, 1, count);
  expect('the stream', await world.publications(subscription.events, count), numbers(1, count));
  await publishing;
  expect('cuts', cuts, count / 50);
  const told = await subscription.events.take('subscribed', subscription.events.left('subscribed'));
  expect('recovered each time', told.map(one => one.recovered), told.map(() => true));
}

export async function a_position_that_is_not_kept_is_told(world) {
  const [line, channel] = [new Line(), world.channel('small')];
  const subscription = await world.subscribed(await world.connected({ line }), channel);
  await world.publishNumbers(channel, 1, 2);
  expect('before the cut', await world.publications(subscription.events, 2), numbers(1, 2));
  line.cut();
  await world.publishNumbers(channel, 3, 9);
  line.mend();
  const unrecovered = { ...RECOVERED, recovered: false, hasRecoveredPublications: false };
  expect('the position', position(await subscription.events.next('subscribed')), { ...unrecovered, offset: 9 });
  await world.publishNumbers(channel, 10, 10);
  expect('what follows', await world.publications(subscription.events, 1), numbers(10, 10));

  const client = await world.connected();
  const foreign = await world.subscribed(client, channel, { since: { offset: 10, epoch: 'foreign' } });
  expect('a foreign epoch', position(foreign.told), { ...unrecovered, offset: 10 });
}

export async function a_subscription_begins_where_the_application_says(world) {
  const channel = world.channel('hist');
  const { epoch } = await world.publishNumbers(channel, 1, 8);
  const subscription = await world.subscribed(await world.connected(), channel, { since: { offset: 3, epoch } });
  expect('the position', position(subscription.told), { ...RECOVERED, offset: 3 });
  expect('from there on', await world.publications(subscription.events, 5), numbers(4, 8));
}

export async function state_is_asked_for_again_when_a_position_is_not_kept(world) {
  const [line, channel] = [new Line(), world.channel('small')];
  let top = await world.publishNumbers(channel, 1, 3);
  const getState = async () => {
    subscription.events.put('asked');
    return top;
  };
  const subscription = world.subscription(await world.connected({ line }), channel, { getState });
  await subscription.events.next('subscribed');
  expect('questions for the state', subscription.events.left('asked'), 1);
  line.cut();
  top = await world.publishNumbers(channel, 4, 12);
  line.mend();
  const told = await subscription.events.next('subscribed');
  expect('the position', [told.recovered, told.streamPosition.offset], [true, 12]);
  expect('questions for the state', subscription.events.left('asked'), 2);
  await world.publishNumbers(channel, 13, 13);
  expect('what follows', await world.publications(subscription.events, 1), numbers(13, 13));
}

export async function subscriptions_of_the_server_are_recovered(world) {
  const [line, granted, added] = [new Line(), world.channel('hist'), `${world.channel('hist')}2`];
  const user = world.encoding;
  const client = await world.connected({ line, token: jwt({ sub: user, channels: [granted] }) });
  await client.events.next('subscribed');
  await world.publishNumbers(granted, 1, 5);
  expect('before the cut', await world.publications(client.events, 5), numbers(1, 5));
  line.cut();
  await world.publishNumbers(granted, 6, 30);
  line.mend();
  expect('the position', position(await client.events.next('subscribed')), { ...RECOVERED, offset: 5 });
  expect('what was missed', await world.publications(client.events, 25), numbers(6, 30));

  await world.api('subscribe', { user, channel: added });
  expect('a channel of the server API', (await client.events.next('subscribed')).channel, added);
  await world.publishNumbers(added, 1, 2);
  expect('its publications', await world.publications(client.events, 2), numbers(1, 2));
}

const document = n => ({ n, text: 'жäé€😀 <&> '.repeat(20), changes: 'ю'.repeat(n) });
const documents = (from, to) => numbers(from, to).map(([n]) => [n, document(n)]);

export async function patches_go_on_behind_a_cut(world) {
  const [line, channel] = [new Line(), world.channel('delta')];
  const publish = async (from, to) => {
    for (let n = from; n <= to; n += 1) await world.publish(channel, document(n));
  };
  const subscription = await world.subscribed(await world.connected({ line }), channel, { delta: 'fossil' });
  await publish(1, 5);
  expect('before the cut', await world.publications(subscription.events, 5), documents(1, 5));
  line.cut();
  await publish(6, 20);
  line.mend();
  expect('the position', position(await subscription.events.next('subscribed')), { ...RECOVERED, offset: 5 });
  expect('what was missed', await world.publications(subscription.events, 15), documents(6, 20));
  await publish(21, 25);
  expect('the next', await world.publications(subscription.events, 5), documents(21, 25));
  const { numFullPayloads, numDeltaPayloads } = subscription.deltaStats();
  expect('whole documents and patches', [numFullPayloads, numDeltaPayloads], [2, 23]);
}

export async function patches_need_no_document_that_the_application_does_not_have(world) {
  const channel = world.channel('delta');
  const { epoch } = await world.publish(channel, document(1));
  for (let n = 2; n <= 4; n += 1) await world.publish(channel, document(n));
  const begin = async offset => {
    const options = { delta: 'fossil', since: { offset, epoch } };
    return world.subscribed(await world.connected(), channel, options);
  };
  const [behind, atTop] = [await begin(2), await begin(4)];
  expect('both are recovered', [behind.told.recovered, atTop.told.recovered], [true, true]);
  for (let n = 5; n <= 7; n += 1) await world.publish(channel, document(n));
  expect('behind the top', await world.publications(behind.events, 5), documents(3, 7));
  expect('at the top', await world.publications(atTop.events, 3), documents(5, 7));
  const patches = [behind, atTop].map(one => one.deltaStats().numDeltaPayloads);
  expect('patches', patches, [4, 2]);
}

export async function the_newest_publication_is_recovered_in_cache_mode(world) {
  const [line, cache, auto] = [new Line(), world.channel('cache'), world.channel('auto')];
  await world.publishNumbers(auto, 1, 3);
  await world.publishNumbers(cache, 1, 3);
  const client = await world.connected({ line });
  const unasked = await world.subscribed(client, auto);
  expect('unasked', await world.publications(unasked.events, 1), numbers(3, 3));
  const subscription = await world.subscribed(client, cache);
  line.cut();
  await world.publishNumbers(cache, 4, 9);
  line.mend();
  const { wasRecovering, recovered } = await subscription.events.next('subscribed');
  expect('recovered', [wasRecovering, recovered], [true, true]);
  expect('the newest alone', await world.publications(subscription.events, 1), numbers(9, 9));
  await world.publishNumbers(cache, 10, 10);
  expect('the next', await world.publications(subscription.events, 1), numbers(10, 10));
}
