import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, describe, test } from 'node:test';
import fc from 'fast-check';
import { hasCode, LifeboatError } from '../../src/core/errors.ts';
import { entryHeader, padding } from '../../src/engine/export/entry-header.ts';
import { createExportWriter } from '../../src/engine/export/export-writer.ts';
import { manifestName } from '../../src/engine/export/names.ts';
import { readVolume } from '../../src/engine/import/entry-reader.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { seed } from '../random.ts';
import { emptyTwin, exportOf, importOf, inputsOf, makeSource, memoryOutput, type Source } from './kit.ts';

let source: Source;
/** One volume, and the same in several. */
let whole: Buffer;
let several: readonly Buffer[];
before(async () => {
  source = await makeSource(1500);
  whole = (await exportOf(source.repository, source.snapshots, { recordBytes: 512 })).volumes[0]!;
  const options = { recordBytes: 1024, volumeBytes: 14 * 1024 };
  several = (await exportOf(source.repository, source.snapshots, options)).volumes;
});

const codes = ['export-damaged', 'export-incomplete', 'export-version'] as const;

/** Nothing of it may be seen afterwards, and the message has to name what is damaged. */
async function assertRefused(volumes: readonly Uint8Array[], about: string): Promise<LifeboatError> {
  const twin = await emptyTwin(source);
  let refusal: unknown = null;
  try {
    await importOf(volumes, twin.repository);
  } catch (error) {
    refusal = error;
  }
  assert.ok(refusal instanceof LifeboatError, `${about} was not refused: ${String(refusal)}`);
  assert.ok(hasCode(refusal, ...codes), `${about}: ${refusal.code}: ${refusal.message}`);
  for (const key of twin.storage.objects.keys())
    assert.match(key, /^(config$|keys\/|data\/)/, `${about} left ${key}`);
  return refusal;
}

describe('an export', () => {
  test('that ends early is refused, wherever it ends', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), async (length) => {
        await assertRefused([whole.subarray(0, length)], `the first ${length} bytes`);
      }),
      { seed, numRuns: 60 },
    );
    for (const less of [1, 512, 1023, 1024, 1025, 1536]) {
      const length = whole.length - less;
      await assertRefused([whole.subarray(0, length)], `${length} of ${whole.length} bytes`);
    }
  });

  test('with any bit changed is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(7), async (at, bit) => {
        const changed = Buffer.from(whole);
        changed[at]! ^= 1 << bit;
        await assertRefused([changed], `bit ${bit} of byte ${at}`);
      }),
      { seed, numRuns: 150 },
    );
  });

  test('with any bit of a header, of its head or of its end changed is refused', async () => {
    const headers = await placesOfHeaders(whole);
    const ends: number[] = [];
    for (let at = whole.length - 3 * 512; at < whole.length; at++) ends.push(at);
    const places = [...headers.flatMap((start) => [...Array(512).keys()].map((at) => start + at)), ...ends];
    await fc.assert(
      fc.asyncProperty(fc.nat(places.length - 1), fc.nat(7), async (choice, bit) => {
        const changed = Buffer.from(whole);
        changed[places[choice]!]! ^= 1 << bit;
        await assertRefused([changed], `bit ${bit} of byte ${places[choice]}`);
      }),
      { seed, numRuns: 150 },
    );
  });

  test('that goes on after its end is refused, unless by the zeros of a tape', async () => {
    await assertRefused([Buffer.concat([whole, Buffer.alloc(512), Buffer.from('x')])], 'an x behind it');
    const twin = await emptyTwin(source);
    await importOf([Buffer.concat([whole, Buffer.alloc(7000)])], twin.repository);
    assert.equal((await listSnapshots(twin.repository)).snapshots.length, 2);
  });

  test('of which one volume is damaged names this volume and the file in it', async () => {
    assert.ok(several.length >= 3);
    const changed = Buffer.from(several[1]!);
    changed[6000]! ^= 4;
    const { message } = await assertRefused([several[0]!, changed, ...several.slice(2)], 'volume 2');
    assert.match(message, /^volume 2 \(medium 2\) is damaged: data\/../);
  });

  test('of another repository cannot be passed off as one of this: packs that its key cannot open are refused', async () => {
    const other = await makeSource(1500);
    const foreign = (await exportOf(other.repository, other.snapshots, { recordBytes: 512 })).volumes[0]!;
    const entries = await entriesOf(whole);
    const theirs = (await entriesOf(foreign)).find(({ name }) => name.startsWith('data/'))!;
    const place = entries.findIndex(({ name }) => name.startsWith('data/'));
    const { message } = await assertRefused([await forge(entries.toSpliced(place, 0, theirs))], 'their pack');
    assert.match(message, /is no pack of this repository/);
  });
});

interface TarEntry {
  readonly name: string;
  readonly bytes: Buffer;
}

/** All between the head and the end of the only volume. */
async function entriesOf(volume: Buffer): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  const input = (await inputsOf([volume])())!;
  await readVolume(
    input,
    null,
    async ({ name, bytes }) => void entries.push({ name, bytes: Buffer.from(bytes) }),
  );
  return entries;
}

async function placesOfHeaders(volume: Buffer): Promise<number[]> {
  const places: number[] = [0];
  const input = (await inputsOf([volume])())!;
  await readVolume(input, null, async ({ offset }) => void places.push(offset - 512));
  return places;
}

/** A volume with these entries and all hashes right, as somebody with time and malice makes it. */
async function forge(entries: readonly TarEntry[]): Promise<Buffer> {
  const output = memoryOutput(512);
  const set = JSON.parse(entries.find(({ name }) => name === manifestName)!.bytes.toString()).set as string;
  const writer = createExportWriter({
    output,
    set,
    seconds: 1_700_000_000,
    recordBytes: 512,
    volumeBytes: null,
  });
  for (const { name, bytes } of entries.slice(0, -1)) await writer.add(name, [bytes]);
  const last = entries.at(-1)!;
  await writer.end(last.name, () => last.bytes);
  return output.volumes[0]!;
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('a forged export', () => {
  test('is taken where nothing was changed: the forgery is as good as the original', async () => {
    const twin = await emptyTwin(source);
    await importOf([await forge(await entriesOf(whole))], twin.repository);
    assert.equal((await listSnapshots(twin.repository)).snapshots.length, 2);
  });

  const names = [
    ...['../evil', '/etc/passwd', 'data/../../evil', 'lifeboat/journal/../../x/heartbeat', 'keys/../config'],
    ...[
      'lifeboat/journal/a/../heartbeat',
      `data/00/${'1'.repeat(64)}`,
      'locks/x',
      'config/',
      'data',
      'CONFIG',
    ],
    ...[`snapshots/${'a'.repeat(64)}/x`, `data/aa/${'A'.repeat(64)}`, 'lifeboat/export-volumes/00001.json'],
    ...[`index/${'g'.repeat(64)}`, `./config`, 'lifeboat/evidence/x', `x${'/y'.repeat(120)}`],
  ];
  for (const name of names)
    test(`with an entry named ${name.slice(0, 60)} is refused`, async () => {
      const entries = await entriesOf(whole);
      const bytes = Buffer.from('evil');
      const { message } = await assertRefused([await forge(entries.toSpliced(1, 0, { name, bytes }))], name);
      assert.match(message, /which no export has/);
    });

  for (const [what, flag] of [
    ['a hard link', '1'],
    ['a symlink', '2'],
    ['a device', '3'],
    ['a folder', '5'],
    ['a sparse file', 'S'],
    ['a long name of GNU tar', 'L'],
  ] as const)
    test(`with ${what} in it is refused`, async () => {
      const header = entryHeader('config', 4, 1_700_000_000);
      header.write(flag, 156, 'latin1');
      header.fill(' ', 148, 156);
      const sum = header.reduce((total, byte) => total + byte, 0);
      header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
      const [first] = await placesOfHeaders(whole).then((places) => places.slice(1));
      const changed = Buffer.concat([
        whole.subarray(0, first),
        header,
        Buffer.from('evil'),
        padding(4),
        whole.subarray(first),
      ]);
      await assertRefused([changed], what);
    });

  test('with an entry of many terabytes is refused at once', async () => {
    const header = entryHeader(`data/aa/${'a'.repeat(64)}`, 8 ** 11 - 1, 1_700_000_000);
    const [first] = (await placesOfHeaders(whole)).slice(1);
    const { message } = await assertRefused([Buffer.concat([whole.subarray(0, first), header])], 'terabytes');
    assert.match(message, /more than any file of a repository has/);
  });

  test('that lacks, repeats, swaps or adds an entry is refused', async () => {
    const entries = await entriesOf(whole);
    for (let at = 0; at < entries.length; at++) {
      const { name } = entries[at]!;
      // The last one is the manifest that `forge` takes for the end.
      if (at + 1 < entries.length) {
        await assertRefused([await forge(entries.toSpliced(at, 1))], `no ${name}`);
        await assertRefused([await forge(entries.toSpliced(at, 0, entries[at]!))], `two ${name}`);
      }
    }
    const snapshot = entries.find(({ name }) => name.startsWith('snapshots/'))!;
    const moved = [snapshot, ...entries.filter((entry) => entry !== snapshot)];
    await assertRefused([await forge(moved)], 'a snapshot before all');
    const bytes = Buffer.from('no snapshot');
    const added = { name: `snapshots/${sha256(bytes)}`, bytes };
    await assertRefused([await forge(entries.toSpliced(-1, 0, added))], 'one more snapshot');
  });

  test('whose manifest was changed in the clear is refused', async () => {
    const entries = await entriesOf(whole);
    const change = (from: RegExp, to: string): TarEntry[] =>
      entries.map((entry) =>
        entry.name === manifestName
          ? { name: entry.name, bytes: Buffer.from(entry.bytes.toString().replace(from, to)) }
          : entry,
      );
    const [first] = source.snapshots;
    await assertRefused([await forge(change(new RegExp(`"${first!.id}",`), ''))], 'a snapshot less');
    await assertRefused([await forge(change(/"data":\d+/, '"data":1'))], 'fewer packs');
    await assertRefused([await forge(change(/"contents":"..../, '"contents":"AAAA'))], 'other contents');
    await assertRefused([await forge(change(/"configSha256":"../, '"configSha256":"00'))], 'another config');
    const newer = await assertRefused([await forge(change(/"version":1/, '"version":2'))], 'a newer format');
    assert.equal(newer.code, 'export-version');
  });
});
