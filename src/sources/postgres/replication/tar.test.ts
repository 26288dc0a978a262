import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../../../core/errors.ts';
import { parseTarHeader, readTar } from './tar.ts';

function archive(t: TestContext, files: Readonly<Record<string, string>>, ...options: string[]): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-tar-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'dir'), { mode: 0o700 });
  symlinkSync('/far/away', join(folder, 'link'));
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, name), content, { mode: 0o640 });
    utimesSync(join(folder, name), 1e9, 1e9);
  }
  const names = ['dir', 'link', ...Object.keys(files)];
  const result = spawnSync('tar', [
    '--format=ustar',
    '--owner=p:26',
    '--group=q:27',
    ...options,
    '-C',
    folder,
    '-cf',
    '-',
    ...names,
  ]);
  assert.equal(result.status, 0, String(result.stderr));
  return result.stdout;
}

/** Hands out a buffer in pieces of the lengths given, again and again. */
function inPieces(bytes: Buffer, lengths: readonly number[]): () => Promise<Buffer | null> {
  let at = 0;
  let turn = 0;
  return async () => {
    if (at >= bytes.length) return null;
    const piece = bytes.subarray(at, at + lengths[turn++ % lengths.length]!);
    at += piece.length;
    return piece;
  };
}

async function listed(pull: () => Promise<Buffer | null>): Promise<unknown[]> {
  const entries: unknown[] = [];
  for await (const { path, type, mode, uid, gid, mtime, size, linkTarget, bytes } of readTar(pull)) {
    const pieces: Uint8Array[] = [];
    for await (const piece of bytes) pieces.push(piece);
    const content = Buffer.concat(pieces).toString();
    entries.push({
      path,
      type,
      mode,
      owner: `${uid}:${gid}`,
      size,
      linkTarget,
      content,
      ...(type === 'file' && { mtime }),
    });
  }
  return entries;
}

/** A header whose size field is replaced. */
function withSize(header: Buffer, size: Buffer): Buffer {
  const changed = Buffer.from(header.subarray(0, 512));
  size.copy(changed, 124);
  changed.fill(' ', 148, 156);
  const sum = changed.reduce((total, byte) => total + byte, 0);
  changed.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return changed;
}

describe('an archive', () => {
  const files = { empty: '', short: 'abc', block: 'x'.repeat(512), long: 'y'.repeat(5000) };

  test('is read in pieces of any length', async (t) => {
    const bytes = archive(t, files);
    const file = (path: string, content: string): unknown => {
      const owner = '26:27';
      return {
        path,
        type: 'file',
        mode: 0o640,
        owner,
        size: content.length,
        linkTarget: null,
        content,
        mtime: 1e9,
      };
    };
    const expected = [
      { path: 'dir', type: 'dir', mode: 0o700, owner: '26:27', size: 0, linkTarget: null, content: '' },
      {
        path: 'link',
        type: 'symlink',
        mode: 0o777,
        owner: '26:27',
        size: 0,
        linkTarget: '/far/away',
        content: '',
      },
      ...Object.entries(files).map(([name, content]) => file(name, content)),
    ];
    assert.deepEqual(await listed(inPieces(bytes, [bytes.length])), expected);
    const lengths = fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(lengths, async (each) =>
        assert.deepEqual(await listed(inPieces(bytes, each)), expected),
      ),
      { numRuns: 30 },
    );
  });

  test('may lack the blocks of zeros at its end', async (t) => {
    const bytes = archive(t, { short: 'abc' }, '--blocking-factor=1');
    const entries = await listed(inPieces(bytes.subarray(0, bytes.length - 1024), [4096]));
    assert.equal(entries.length, 3);
  });

  test('goes on behind what is not taken of an entry', async (t) => {
    const paths: string[] = [];
    for await (const entry of readTar(inPieces(archive(t, files), [700]))) {
      paths.push(entry.path);
      if (entry.path === 'long') for await (const _ of entry.bytes) break;
    }
    assert.deepEqual(paths, ['dir', 'link', 'empty', 'short', 'block', 'long']);
  });

  test('that ends too early or is damaged is an error', async (t) => {
    const bytes = archive(t, { long: 'y'.repeat(5000) });
    const refused = (part: Buffer): Promise<void> =>
      assert.rejects(listed(inPieces(part, [600])), (error) => hasCode(error, 'database-failed'));
    await refused(bytes.subarray(0, 3000));
    await refused(bytes.subarray(0, 1100));
    const damaged = Buffer.from(bytes);
    damaged[0]! ^= 1;
    await refused(damaged);
  });

  test('has sizes beyond eight gigabytes in binary', async (t) => {
    const header = archive(t, { file: 'abc' }).subarray(1024, 1536);
    assert.equal(parseTarHeader(header).size, 3);
    const size = Buffer.alloc(12);
    size[0] = 0x80;
    size.writeBigUInt64BE(123_456_789_012n, 4);
    assert.equal(parseTarHeader(withSize(header, size)).size, 123_456_789_012);
  });

  test('joins long names from their two fields', async (t) => {
    const name = `dir/${'n'.repeat(90)}/${'m'.repeat(90)}`;
    const bytes = archive(t, {}, `--transform=s,^dir$,${name},`);
    assert.equal(parseTarHeader(bytes.subarray(0, 512)).path, name);
  });
});
