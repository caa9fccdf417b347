// What a subscriber may ask of a channel, and what it is told of others.
import { eventually, expect, jwt, numbers, refused } from './world.mjs';

export async function history_is_read_in_pages(world) {
  const channel = world.channel('hist');
  const { epoch } = await world.publishNumbers(channel, 1, 12);
  const subscription = await world.subscribed(await world.connected(), channel);
  const page = async options => {
    const { publications, ...top } = await subscription.history(options);
    expect('the top of the stream', top, { offset: 12, epoch });
    return publications.map(publication => [publication.offset, world.decode(publication.data)]);
  };
  expect('the position alone', await page({ limit: 0 }), []);
  expect('the first page', await page({ limit: 5 }), numbers(1, 5));
  expect('the next page', await page({ limit: 5, since: { offset: 5, epoch } }), numbers(6, 10));
  expect('the last page', await page({ limit: 5, since: { offset: 10, epoch } }), numbers(11, 12));
  expect('backwards', await page({ limit: 2, reverse: true }), numbers(11, 12).reverse());
  expect('backwards from a position', await page({ limit: 3, reverse: true, since: { offset: 4, epoch } }), numbers(1, 3).reverse());
  await refused('a foreign epoch', subscription.history({ limit: 1, since: { offset: 1, epoch: 'foreign' } }), 112);

  await subscription.publish(world.encode({ by: 'a client' }));
  const [own] = (await subscription.history({ limit: 1, reverse: true })).publications;
  expect('what a client published', [own.offset, world.decode(own.data), own.info.user], [13, { by: 'a client' }, '']);
}

export async function presence_names_who_is_there(world) {
  const channel = world.channel('pres');
  const subscriptions = [];
  for (const sub of ['1', '2', '2']) {
    const client = await world.connected({ token: jwt({ sub, info: { of: sub } }) });
    subscriptions.push(await world.subscribed(client, channel));
  }
  expect('counts', await subscriptions[0].presenceStats(), { numClients: 3, numUsers: 2 });
  const { clients } = await subscriptions[1].presence();
  expect('keys are client IDs', Object.entries(clients).map(([key, one]) => key === one.client), [true, true, true]);
  const known = Object.values(clients).map(one => [one.user, world.decode(one.connInfo)]).sort();
  expect('users', known, [['1', { of: '1' }], ['2', { of: '2' }], ['2', { of: '2' }]]);
  subscriptions[2].unsubscribe();
  await eventually('counts when one has left', () => subscriptions[0].presenceStats(), { numClients: 2, numUsers: 2 });
}

export async function joins_and_leaves_are_told(world) {
  const channel = world.channel('pres');
  const watcher = await world.subscribed(await world.connected({ token: jwt({ sub: '1' }) }), channel, { joinLeave: true });
  expect('its own join', (await watcher.events.next('join')).info.user, '1');
  const quiet = await world.subscribed(await world.connected({ token: jwt({ sub: '2' }) }), channel);
  const seen = async kind => {
    const { channel: where, info } = await watcher.events.next(kind);
    return [where, info.user, world.decode(info.connInfo)];
  };
  // Whoever has not asked for joins and leaves is not told of others; others are told of it all the same.
  expect('the join of one who did not ask', await seen('join'), [channel, '2', null]);
  const other = await world.connected({ token: jwt({ sub: '3', info: { n: 3 } }) });
  const subscription = await world.subscribed(other, channel, { joinLeave: true });
  expect('a join', await seen('join'), [channel, '3', { n: 3 }]);
  subscription.unsubscribe();
  expect('a leave by unsubscribing', await seen('leave'), [channel, '3', { n: 3 }]);
  subscription.subscribe();
  expect('a join again', await seen('join'), [channel, '3', { n: 3 }]);
  other.disconnect();
  expect('a leave by disconnecting', await seen('leave'), [channel, '3', { n: 3 }]);
  expect('joins and leaves for one who did not ask', [quiet.events.left('join'), quiet.events.left('leave')], [0, 0]);
}

export async function a_filter_lets_through_what_it_matches(world) {
  const channel = world.channel('tags');
  const tagsFilter = { op: 'and', nodes: [{ key: 'lang', cmp: 'in', vals: ['en', 'de'] }, { key: 'price', cmp: 'gt', val: '9.5' }] };
  const filtered = await world.subscribed(await world.connected(), channel, { tagsFilter });
  const whole = await world.subscribed(await world.connected(), channel);
  const tags = [
    { lang: 'en', price: '10' }, { lang: 'fr', price: '10' }, { lang: 'de', price: '9.50' }, {}, { lang: 'de', price: '100' },
  ];
  for (const [at, one] of tags.entries()) await world.publish(channel, { n: at + 1 }, { tags: one });
  expect('all', await world.publications(whole.events, 5), numbers(1, 5));
  expect('matching ones', await world.publications(filtered.events, 2), [[1, { n: 1 }], [5, { n: 5 }]]);

  filtered.unsubscribe();
  for (const [at, one] of tags.entries()) await world.publish(channel, { n: at + 6 }, { tags: one });
  filtered.setTagsFilter({ key: 'lang', cmp: 'sw', val: 'f' });
  filtered.subscribe();
  const { recovered, streamPosition } = await filtered.events.next('subscribed');
  expect('recovered', recovered, true);
  expect('matching recovered ones', await world.publications(filtered.events, 1), [[7, { n: 7 }]]);
  expect('the position behind those left out', streamPosition.offset <= 10, true);
  await world.publish(channel, { n: 11 }, { tags: { lang: 'fi' } });
  expect('the next', await world.publications(filtered.events, 1), [[11, { n: 11 }]]);
}

export async function what_is_refused_has_its_code(world) {
  const client = await world.connected();
  for (const [channel, code] of [['closed', 103], ['nope', 102]]) {
    const subscription = world.subscription(client, world.channel(channel));
    expect(`the end of ${channel}`, (await subscription.events.next('unsubscribed')).code, code);
  }
  const subscription = await world.subscribed(client, world.channel('plain'));
  await refused('history that is off', subscription.history({ limit: 1 }), 108);
  await refused('presence that is off', subscription.presence(), 108);
  await refused('a publication where none may', subscription.publish(world.encode({})), 103);
  await refused('a call', client.rpc('method', world.encode({})), 108);
}
