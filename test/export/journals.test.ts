import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { prepareExport } from '../../src/engine/export/prepare.ts';
import { journalPlaces } from '../../src/engine/journal/journal-places.ts';
import { saveHeartbeat } from '../../src/journal/heartbeat.ts';
import { saveHistory } from '../../src/journal/history.ts';
import { listJournal } from '../../src/journal/list.ts';
import { loadPiece } from '../../src/journal/load.ts';
import { savePiece } from '../../src/journal/save.ts';
import { parseLsn } from '../../src/model/wal.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { listSnapshots, saveSnapshot } from '../../src/repository/snapshots.ts';
import { memoryStorage } from '../damage/memory-storage.ts';
import { createCheapRepository } from '../repositories/cheap.ts';
import { emptyTwin, exportOf, importOf, makeSource, type Source } from './kit.ts';

const stream = { source: 'app-db', stream: '7301234567890123456' };
const unitBytes = 2 ** 20;
const log = (unit: number, bytes = 5000): Buffer => Buffer.alloc(bytes, `log of ${unit} `);
const unitName = (unit: number): string =>
  `0000000100000000${unit.toString(16).toUpperCase().padStart(8, '0')}`;

/** A repository whose older snapshot needs log from unit 2 on, and the newer one from unit 4 on. */
async function makeJournaled(): Promise<Source> {
  const source = await makeSource(1000);
  const { repository } = source;
  for (const [at, start] of ['0/200028', '0/400028'].entries()) {
    const { id: _, ...snapshot } = source.snapshots[at]!;
    const facts = {
      source: 'app-db',
      kind: 'postgres-physical',
      system: stream.stream,
      timeline: '1',
      'start-lsn': start,
    };
    const tags = Object.entries(facts).map(([key, value]) => `lifeboat:${key}=${value}`);
    await saveSnapshot(repository, { ...snapshot, tags });
  }
  const open = journalPlaces([{ name: 'source', repository }], { threads: 0 });
  const [place] = open.places;
  for (let unit = 1; unit <= 5; unit++)
    await savePiece(place!, stream, { unit: unitName(unit), from: 0, unitBytes }, log(unit));
  await savePiece(place!, stream, { unit: unitName(5), from: 5000, unitBytes }, log(6));
  await savePiece(
    place!,
    { source: 'other-db', stream: '1' },
    { unit: unitName(1), from: 0, unitBytes },
    log(9),
  );
  await saveHistory(place!, stream, 2, Buffer.from('1\t0/300200\tno recovery target specified\n'));
  await saveHeartbeat(place!, stream, { timeline: 1, lsn: parseLsn('0/502710')!, sentMs: 1_700_000_000_000 });
  await open.close();
  return { ...source, snapshots: (await listSnapshots(repository)).snapshots.filter(({ tags }) => tags) };
}

/** Units and content of a repository's journal, and how many histories and heartbeats. */
async function journalOf(repository: Repository): Promise<Record<string, string>> {
  const open = journalPlaces([{ name: 'copy', repository }], { threads: 0 });
  const [place] = open.places;
  const found: Record<string, string> = {};
  for (const { stream: each, pieces, histories } of await listJournal(place!, 'app-db')) {
    for (const piece of pieces)
      found[`${piece.unit}+${piece.from}`] = (await loadPiece(place!, each, piece)).bytes
        .toString()
        .slice(0, 8);
    for (const history of histories) found[`history ${history.timeline}`] = '';
  }
  const beat = await repository.storage.size(`lifeboat/journal/app-db/${stream.stream}/heartbeat`);
  if (beat !== null) found.heartbeat = '';
  await open.close();
  return found;
}

let source: Source;
before(async () => {
  source = await makeJournaled();
});

const fromUnit = (first: number): Record<string, string> => ({
  ...Object.fromEntries(
    [1, 2, 3, 4, 5].filter((unit) => unit >= first).map((unit) => [`${unitName(unit)}+0`, `log of ${unit}`]),
  ),
  [`${unitName(5)}+5000`]: 'log of 6',
  'history 2': '',
  heartbeat: '',
});

describe('an export with journals', () => {
  test('brings the log that its snapshots can use into a repository with the same key, and no other', async () => {
    for (const [at, first] of [2, 4].entries()) {
      const { volumes } = await exportOf(source.repository, [source.snapshots[at]!], { withJournals: true });
      const twin = await emptyTwin(source);
      const report = await importOf(volumes, twin.repository);
      assert.deepEqual(report.journalSources, ['app-db']);
      assert.deepEqual(await journalOf(twin.repository), fromUnit(first));
      assert.ok(![...twin.storage.objects.keys()].some((key) => key.includes('other-db')));
    }
  });

  test('has it sealed anew where the repository has another key, and not twice', async () => {
    const { volumes } = await exportOf(source.repository, source.snapshots, { withJournals: true });
    const other = await createCheapRepository(memoryStorage());
    await importOf(volumes, other);
    assert.deepEqual(await journalOf(other), fromUnit(2));
    assert.equal((await importOf(volumes, other)).journalPieces, 0);
    assert.deepEqual(await journalOf(other), fromUnit(2));
  });

  test('takes none along unless asked', async () => {
    const chosen = { wholePacks: false, withJournals: false };
    assert.deepEqual((await prepareExport(source.repository, source.snapshots, chosen)).plan.journal, []);
  });

  test('follows pieces that are joined while it reads', async () => {
    const { repository } = source;
    const { load } = repository.storage;
    let joined = false;
    const storage: Repository['storage'] = {
      ...repository.storage,
      async load(key, range) {
        if (!joined && key.includes(`${unitName(5)}-`)) {
          joined = true;
          const open = journalPlaces([{ name: 'source', repository }], { threads: 0 });
          const [place] = open.places;
          const whole = Buffer.concat([log(5), log(6)]);
          const before = (await listJournal(place!, 'app-db')).flatMap(({ pieces }) => pieces);
          await savePiece(place!, stream, { unit: unitName(5), from: 0, unitBytes }, whole, { existing: [] });
          for (const piece of before.filter(({ unit }) => unit === unitName(5)))
            for (const name of [...source.storage.objects.keys()].filter((each) => each.endsWith(piece.hash)))
              await repository.storage.remove(name);
          await open.close();
        }
        return load(key, range);
      },
    };
    const { volumes } = await exportOf({ ...repository, storage }, source.snapshots, { withJournals: true });
    assert.ok(joined);
    const twin = await emptyTwin(source);
    await importOf(volumes, twin.repository);
    const { [`${unitName(5)}+5000`]: _, ...expected } = fromUnit(2);
    assert.deepEqual(await journalOf(twin.repository), expected);
  });
});
