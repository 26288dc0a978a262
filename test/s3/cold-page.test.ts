import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseConfiguration } from '../../src/app/configuration/parse.ts';
import { commandTable } from '../../src/cli/command-table.ts';
import { formatHours } from '../../src/engine/cold/demand-readable.ts';
import { estimateThaw } from '../../src/engine/cold/prices.ts';
import { type ThawSpeed, thawSpeeds } from '../../src/model/storage-class.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/cold-storage.md'), 'utf8');

test('docs/cold-storage.md has a configuration that is valid', () => {
  const [, example] = /```yaml\n([\s\S]*?)```/.exec(page)!;
  const { problems, warnings } = parseConfiguration(example!, { path: '/etc/lifeboat.yaml', home: '/' });
  assert.deepEqual([problems, warnings], [[], []]);
});

test('docs/cold-storage.md calls commands and options that there are', async () => {
  const lines = [...page.matchAll(/^lifeboat (?:-r \w+ )?(.+)$/gm)].map((match) => match[1]!.split(' '));
  assert.ok(lines.length >= 9);
  for (const [name = '', ...rest] of lines) {
    const listing = commandTable[name];
    assert.ok(listing, name);
    const found = await listing.load();
    const command = found.kind === 'family' ? await found.members[rest[0]!]!.load() : found;
    assert.equal(command.kind, 'command', `${name} ${rest[0]}`);
    if (command.kind !== 'command') continue;
    for (const [, option] of rest.join(' ').matchAll(/--([a-z-]+)/g))
      assert.ok(option! in command.options, `${name} --${option}`);
  }
});

test('docs/cold-storage.md tells the times that estimates tell', () => {
  const said = (storageClass: string, speed: ThawSpeed): string => {
    const estimate = estimateThaw([{ storageClass, objects: 1, bytes: 1 }], speed, 1);
    if (estimate === null) return 'not offered';
    return storageClass === 'GLACIER' ? formatHours(estimate.hours) : `up to ${estimate.hours[1]} hours`;
  };
  for (const speed of thawSpeeds)
    assert.ok(
      page.includes(`| \`${speed}\` | ${said('GLACIER', speed)} | ${said('DEEP_ARCHIVE', speed)} |`),
      speed,
    );
});
