import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Configuration, Protection } from '../model/configuration.ts';
import { type CopyWish, copyRoutes } from './copy-routes.ts';

const nothing: CopyWish = { from: [], to: [], sources: [] };

function configured(...protect: Protection[]): Configuration {
  return { version: 1, path: '/etc/lifeboat.yaml', repositories: {}, sources: {}, protect };
}

const two = configured(
  { sources: ['db', 'files'], to: ['local'], copies: ['offsite', 'usb'] },
  { sources: ['mail'], to: ['local', 'second'], copies: ['usb'] },
);

describe('what is copied from where to where', () => {
  test('is what the configuration says, with one reading for targets that get the same', () => {
    assert.deepEqual(copyRoutes(configured(two.protect[0]!), nothing), [
      { from: 'local', to: ['offsite', 'usb'], sources: ['db', 'files'] },
    ]);
  });

  test('is told apart by target where they get different sources; of several in `to` the first is read', () => {
    assert.deepEqual(copyRoutes(two, nothing), [
      { from: 'local', to: ['offsite'], sources: ['db', 'files'] },
      { from: 'local', to: ['usb'], sources: ['db', 'files', 'mail'] },
    ]);
  });

  test('can be limited to some targets, origins and sources', () => {
    assert.deepEqual(copyRoutes(two, { ...nothing, to: ['offsite'] }), [
      { from: 'local', to: ['offsite'], sources: ['db', 'files'] },
    ]);
    assert.deepEqual(copyRoutes(two, { ...nothing, sources: ['mail'] }), [
      { from: 'local', to: ['usb'], sources: ['mail'] },
    ]);
    assert.equal(copyRoutes(two, { ...nothing, from: ['local'] }).length, 2);
  });

  test('is everything where both sides are named, from each to each', () => {
    const wish = { from: ['a', 'b'], to: ['c', 'c', 'b'], sources: [] };
    assert.deepEqual(copyRoutes(two, wish), [
      { from: 'a', to: ['c', 'b'], sources: null },
      { from: 'b', to: ['c'], sources: null },
    ]);
    assert.deepEqual(copyRoutes(two, { from: ['a'], to: ['c'], sources: ['db'] }), [
      { from: 'a', to: ['c'], sources: ['db'] },
    ]);
  });

  test('is refused where it is nothing, with what to write', () => {
    const none = configured({ sources: ['db'], to: ['local'], copies: [] });
    assert.throws(
      () => copyRoutes(none, nothing),
      /no entry of protect in \/etc\/lifeboat.yaml has `copies`$/,
    );
    assert.throws(() => copyRoutes(two, { ...nothing, to: ['other'] }), /that fit these names/);
    assert.throws(() => copyRoutes(two, { ...nothing, from: ['second'] }), { code: 'usage' });
    assert.throws(() => copyRoutes(two, { from: ['a'], to: ['a'], sources: [] }), /not copied to itself/);
  });
});
