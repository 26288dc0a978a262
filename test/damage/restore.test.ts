import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { type ByteString, bytesOfText } from '../../src/core/bytestring.ts';
import { selectAll } from '../../src/engine/restore/request.ts';
import { startRestore } from '../../src/engine/restore/restore.ts';
import type { Id } from '../../src/model/id.ts';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { randomOf, seed } from '../random.ts';
import { makeSample, type Sample } from './sample.ts';

const soak = process.env.LIFEBOAT_SOAK === '1';
const restores = soak ? 60 : 6;
const bitsPerRestore = 4;

interface Restored {
  /** Content by path below the target. */
  readonly files: ReadonlyMap<string, Buffer>;
  readonly problems: readonly ByteString[];
}

async function restoreNewest(sample: Sample, storage: Storage): Promise<Restored> {
  const target = mkdtempSync(join(tmpdir(), 'lifeboat-restore-'));
  const problems: ByteString[] = [];
  try {
    const repository = sample.on(storage);
    const { snapshots } = await listSnapshots(repository);
    const running = startRestore(repository, await loadIndex(repository), {
      tree: snapshots.at(-1)!.tree as Id,
      target: bytesOfText(target),
      selection: selectAll,
      overwrite: 'always',
      deleteExtra: false,
      dryRun: false,
      sparse: false,
      owner: 'numeric',
      workers: 1,
      signal: new AbortController().signal,
      events: { problem: (location) => problems.push(location) },
    });
    const { counts } = await running.done;
    assert.equal(counts.problems, problems.length);
    const files = new Map<string, Buffer>();
    for (const path of globSync('**', { cwd: target }))
      if (statSync(join(target, path)).isFile()) files.set(`/${path}`, readFileSync(join(target, path)));
    return { files, problems };
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
}

describe(`a restore of damaged packs (LIFEBOAT_SEED=${seed})`, () => {
  let sample: Sample;
  let sound: Restored;
  before(async () => {
    sample = await makeSample('restore damaged');
    sound = await restoreNewest(sample, sample.storage);
  });

  test('gives back everything while nothing is damaged', () => {
    assert.equal(sound.files.size, 25);
    assert.deepEqual(sound.problems, []);
  });

  test('names each file that is not what it was, and gives back all others', async () => {
    const random = randomOf('restore damaged bits');
    for (let n = 0; n < restores; n++) {
      const storage = sample.storage.copy();
      const keys = [...storage.objects.keys()].filter((key) => key.startsWith('data/'));
      for (let bit = 0; bit < bitsPerRestore; bit++) {
        const key = keys[random.below(keys.length)]!;
        const bytes = Buffer.from(storage.objects.get(key)!);
        bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
        storage.objects.set(key, bytes);
      }
      const { files, problems } = await restoreNewest(sample, storage).catch((error: unknown) => {
        assert.match(String(error), /cannot be|damaged|other content/);
        return { files: new Map<string, Buffer>(), problems: ['/' as ByteString] };
      });
      for (const [path, content] of sound.files) {
        const told = problems.some((problem) => problem === path || path.startsWith(parentOf(problem)));
        assert.ok(told || files.get(path)?.equals(content), `${path} is wrong and nothing is said of it`);
      }
    }
  });
});

/** What is below a folder that was named. */
const parentOf = (path: ByteString): string => (path === '/' ? '/' : `${path}/`);
