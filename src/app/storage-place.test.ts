import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storagePlaceOf } from './storage-place.ts';

function placeOf(
  location: string,
  more: { region?: string; site?: string; removable?: boolean } = {},
): [string, string] {
  const options: Record<string, string> = more.region ? { 's3.region': more.region } : {};
  const { kind, site } = storagePlaceOf(
    { location, options, site: more.site ?? null, removable: more.removable ?? false },
    'this-host',
  );
  return [kind, site];
}

test('a repository is where its location says, unless the configuration says otherwise', () => {
  assert.deepEqual(placeOf('/srv/backup'), ['path', 'this-host']);
  assert.deepEqual(placeOf('/mnt/usb', { removable: true }), ['removable', 'this-host']);
  assert.deepEqual(placeOf('/mnt/usb', { removable: true, site: 'safe' }), ['removable', 'safe']);
  assert.deepEqual(placeOf('sftp:me@nas.example.org:/srv'), ['sftp', 'nas.example.org']);
  assert.deepEqual(placeOf('rest:https://me:pw@backup.example.org:8000/a/'), ['rest', 'backup.example.org']);
  assert.deepEqual(placeOf('azure:container:/x'), ['azure', 'azure']);
});

test('two buckets of a provider in one region are one place', () => {
  const ireland = ['s3', 'aws eu-west-1'];
  assert.deepEqual(placeOf('s3:s3.eu-west-1.amazonaws.com/one'), ireland);
  assert.deepEqual(placeOf('s3:eu-west-1/two/prefix'), ireland);
  assert.deepEqual(placeOf('s3:s3.amazonaws.com/three', { region: 'eu-west-1' }), ireland);
  assert.deepEqual(placeOf('s3:https://s3.example.org/a'), ['s3', 's3.example.org']);
  assert.deepEqual(placeOf('s3:https://s3.example.org:9000/b', { region: 'x-1' }), [
    's3',
    's3.example.org x-1',
  ]);
});

test('a server on this machine is no other place', () => {
  assert.deepEqual(placeOf('s3:http://127.0.0.1:9000/bucket', { region: 'us-east-1' }), ['s3', 'this-host']);
  assert.deepEqual(placeOf('sftp:me@localhost:/srv'), ['sftp', 'this-host']);
  assert.deepEqual(placeOf('rest:http://[::1]:8000/'), ['rest', 'this-host']);
});
