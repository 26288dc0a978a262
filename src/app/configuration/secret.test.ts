import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { hasCode, type LifeboatError } from '../../core/errors.ts';
import type { SecretReference } from '../../model/configuration.ts';
import { describeReference, resolveSecret } from './secret.ts';

const folder = mkdtempSync(join(tmpdir(), 'lifeboat-secret-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string | Buffer, mode = 0o600): SecretReference {
  const path = join(folder, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return `file:${path}` as SecretReference;
}

async function resolve(
  reference: string,
  env: Record<string, string> = {},
  signal = new AbortController().signal,
) {
  const hidden: string[] = [];
  const warnings: string[] = [];
  const secret = await resolveSecret(reference as SecretReference, {
    env: { PATH: process.env.PATH, ...env },
    signal,
    hide: (text) => hidden.push(text),
    warn: (message) => warnings.push(message),
  });
  return { secret, hidden, warnings };
}

async function failure(reference: string, env: Record<string, string> = {}): Promise<string> {
  try {
    await resolve(reference, env);
  } catch (error) {
    assert.ok(hasCode(error, 'secret-missing'), String(error));
    return (error as LifeboatError).message;
  }
  return assert.fail('it was found');
}

describe('a secret', () => {
  it('comes from a variable, a file or a command, without the line break at its end, and is hidden', async () => {
    for (const [reference, env] of [
      ['env:APP', { APP: 'top secret' }],
      [file('key', 'top secret\r\n'), {}],
      ['command:echo "$PART" secret | cat', { PART: 'top' }],
    ] as const) {
      assert.deepEqual(await resolve(reference, { ...env }), {
        secret: 'top secret',
        hidden: ['top secret'],
        warnings: [],
      });
    }
  });

  it('within a connection string is hidden by itself, as written and as meant', async () => {
    const { hidden } = await resolve('env:URL', { URL: 'postgresql://app:p%40ss@db/x' });
    assert.deepEqual(hidden.slice(1), ['p%40ss', 'p@ss']);
    assert.ok((await resolve('env:URL', { URL: "host=x password='a \\'b'" })).hidden.includes("a 'b"));
    assert.ok((await resolve('env:URL', { URL: 'host=x password=abc user=y' })).hidden.includes('abc'));
  });

  it('that every user may read is warned of', async () => {
    const reference = file('open', 'x', 0o644);
    const { warnings } = await resolve(reference);
    assert.deepEqual(warnings, [
      `${join(folder, 'open')} holds a secret, and every user of this machine may read it`,
    ]);
  });

  it('that cannot be had is an error that names the reference', async () => {
    assert.equal(await failure('env:ABSENT'), 'the secret env:ABSENT is not set');
    assert.equal(await failure('env:EMPTY', { EMPTY: '' }), 'the secret env:EMPTY is empty');
    assert.equal(await failure(`file:${folder}/none`), `the secret file:${folder}/none does not exist`);
    assert.match(await failure(`file:${folder}`), /cannot be read: /);
    assert.match(await failure(file('empty', '\n')), /is empty$/);
    assert.match(await failure(file('binary', Buffer.from([0xff, 0xfe, 0x00]))), /is not text in UTF-8$/);
    assert.match(await failure(file('large', 'x'.repeat(65 * 1024))), /is larger than 64 KiB$/);
  });

  it('of a command that fails is an error without its arguments and output', async () => {
    assert.equal(
      await failure('command:printf topsecret; exit 3'),
      'the secret command:printf … ended with status 3',
    );
    assert.equal(await failure('command:kill -9 $$'), 'the secret command:kill … was ended by SIGKILL');
    assert.equal(await failure('command:true'), 'the secret command:true is empty');
    assert.equal(await failure('command:yes 2>&-'), 'the secret command:yes … printed more than 64 KiB');
  });

  it('is not waited for after Ctrl-C', async () => {
    const abort = new AbortController();
    const waiting = resolve('command:sleep 30', {}, abort.signal);
    setTimeout(() => abort.abort(), 20);
    await assert.rejects(waiting, (error) => hasCode(error, 'cancelled'));
  });

  it('is described by its reference', () => {
    const shown = ['env:A', 'file:/a', 'command:pass', 'command:curl -H token'].map((each) =>
      describeReference(each as SecretReference),
    );
    assert.deepEqual(shown, ['env:A', 'file:/a', 'command:pass', 'command:curl …']);
  });
});
