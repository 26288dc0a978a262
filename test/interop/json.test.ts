import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { lifeboat } from '../programs.ts';
import { type JsonOutput, jsonOutputs } from './json-shape.ts';

const recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, '../vectors/json/restic-0.19.json'), 'utf8'),
) as Readonly<Record<string, JsonOutput>>;

/** What an error says beyond restic's. */
const ours = ['error: string', 'hint: string'];

test('with --json everything has the messages, members and exit status of restic', async () => {
  const outputs = await jsonOutputs(lifeboat());
  assert.deepEqual(Object.keys(outputs), Object.keys(recorded));
  for (const [line, { status, stdout, stderr }] of Object.entries(outputs)) {
    const { exit_error, ...others } = stderr;
    const shared = exit_error && { exit_error: exit_error.filter((member) => !ours.includes(member)) };
    assert.deepEqual({ status, stdout, stderr: { ...others, ...shared } }, recorded[line], line);
  }
});
