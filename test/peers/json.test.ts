import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { jsonOutputs } from '../interop/json-shape.ts';
import { missing, newestRestic } from '../programs.ts';

const vector = join(import.meta.dirname, '../vectors/json/restic-0.19.json');

test('what test/interop holds Lifeboat to is what the newest restic prints with --json', {
  skip: missing(newestRestic),
}, async () => {
  assert.deepEqual(await jsonOutputs(newestRestic), JSON.parse(readFileSync(vector, 'utf8')));
});
