/**
 * Writes a repository with as many snapshots and blobs as wanted, without any file's content: the data packs
 * are holes of the right size, so opening, listing and planning meet what they would meet in a real one, and
 * reading data would not. Trees, index and snapshots are real.
 */
import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createAt } from '../../src/app/connect.ts';
import { bytesOfText } from '../../src/core/bytestring.ts';
import { compressedBytesMax, createCompressor } from '../../src/kernels/zstd.ts';
import type { Id } from '../../src/model/id.ts';
import type { TreeNode } from '../../src/model/node.ts';
import { encodeTree } from '../../src/model/tree.ts';
import { createIndexWriter, type IndexWriter } from '../../src/repository/index/writer.ts';
import { keyOf } from '../../src/repository/layout.ts';
import {
  compressedEntryBytes,
  headerFileBytes,
  type PackedBlob,
  writeHeaderEntry,
} from '../../src/repository/pack.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { saveSnapshot } from '../../src/repository/snapshots.ts';
import { createRandom, type Random } from '../data/random.ts';
import { benchPassword } from '../programs/program.ts';

export interface Extent {
  readonly snapshots: number;
  readonly blobs: number;
}

const blobsPerPack = 32;
const blobBytes = 520 * 1024;
const blobsPerFile = 100;
/** Of the data blobs, every twentieth belongs to no snapshot, so that prune has something to find. */
const unusedEvery = 20;
const treePackBytes = 16 * 1024 * 1024;

const time = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
const firstSnapshotSeconds = Date.UTC(2024, 0, 1) / 1000;

function randomId(random: Random): Id {
  return random.fill(Buffer.allocUnsafe(32)).toString('hex') as Id;
}

/** A pack of which only name and size are there. */
async function addHollowPack(
  repository: Repository,
  index: IndexWriter,
  random: Random,
  count: number,
): Promise<Id[]> {
  const blobs: PackedBlob[] = [];
  let offset = 0;
  for (let i = 0; i < count; i++) {
    const length = blobBytes + random.below(4096);
    blobs.push({ type: 'data', id: randomId(random), offset, length, uncompressedLength: 2 * blobBytes });
    offset += length;
  }
  const id = randomId(random);
  const path = repository.storage.localPath(keyOf('data', id))!;
  const file = openSync(path, 'w');
  ftruncateSync(file, offset + headerFileBytes(count * compressedEntryBytes));
  closeSync(file);
  await index.add({ id, blobs });
  return blobs.map((blob) => blob.id);
}

/** Collects trees and writes them as packs. */
function createTreePacks(repository: Repository, index: IndexWriter) {
  const compressor = createCompressor('auto');
  let parts: Buffer[] = [];
  let blobs: PackedBlob[] = [];
  let used = 0;

  async function flush(): Promise<void> {
    if (blobs.length === 0) return;
    const header = Buffer.allocUnsafe(blobs.length * compressedEntryBytes);
    let at = 0;
    for (const { type, id, length, uncompressedLength } of blobs)
      at += writeHeaderEntry(header, at, type, Buffer.from(id, 'hex'), length, uncompressedLength);
    const sealed = repository.sealer.seal(header.subarray(0, at));
    const lengthField = Buffer.alloc(4);
    lengthField.writeUInt32LE(sealed.length);
    const pack = Buffer.concat([...parts, sealed, lengthField]);
    const id = createHash('sha256').update(pack).digest('hex') as Id;
    writeFileSync(repository.storage.localPath(keyOf('data', id))!, pack);
    await index.add({ id, blobs });
    parts = [];
    blobs = [];
    used = 0;
  }

  return {
    flush,
    async add(nodes: readonly TreeNode[]): Promise<Id> {
      const plain = encodeTree(nodes);
      const id = createHash('sha256').update(plain).digest('hex') as Id;
      const frame = Buffer.allocUnsafe(compressedBytesMax(plain.length));
      const sealed = repository.sealer.seal(frame.subarray(0, compressor.compress(plain, frame, 0)));
      parts.push(sealed);
      blobs.push({ type: 'tree', id, offset: used, length: sealed.length, uncompressedLength: plain.length });
      used += sealed.length;
      if (used >= treePackBytes) await flush();
      return id;
    },
  };
}

function fileNode(number: number, seconds: number, content: Id[]): TreeNode {
  return {
    name: bytesOfText(`file-${String(number).padStart(8, '0')}`),
    type: 'file',
    mode: 0o644,
    mtime: time(seconds),
    atime: time(seconds),
    ctime: time(seconds),
    uid: 0,
    gid: 0,
    inode: number + 1,
    size: content.length * 2 * blobBytes,
    links: 1,
    content,
  };
}

/** Creates the repository at a path that does not exist yet. */
export async function synthesise(location: string, { snapshots, blobs }: Extent): Promise<void> {
  const repository = await createAt(location, benchPassword, {});
  const random = createRandom(5000);
  const index = createIndexWriter(repository);
  const trees = createTreePacks(repository, index);
  for (let prefix = 0; prefix < 256; prefix++)
    mkdirSync(join(dirname(repository.storage.localPath('data/x')!), prefix.toString(16).padStart(2, '0')), {
      recursive: true,
    });
  const roots: Id[] = [];
  let made = 0;
  for (let snapshot = 0; snapshot < snapshots; snapshot++) {
    const seconds = firstSnapshotSeconds + snapshot * 3600;
    const nodes: TreeNode[] = [];
    let content: Id[] = [];
    const until = Math.round((blobs * (snapshot + 1)) / snapshots);
    while (made < until) {
      const ids = await addHollowPack(repository, index, random, Math.min(blobsPerPack, until - made));
      for (const id of ids) {
        if (made++ % unusedEvery === 0) continue;
        content.push(id);
        if (content.length < blobsPerFile) continue;
        nodes.push(fileNode(nodes.length, seconds, content));
        content = [];
      }
    }
    if (content.length > 0) nodes.push(fileNode(nodes.length, seconds, content));
    roots.push(await trees.add(nodes));
  }
  await trees.flush();
  await index.finish();
  for (const [snapshot, tree] of roots.entries())
    await saveSnapshot(repository, {
      time: time(firstSnapshotSeconds + snapshot * 3600),
      tree,
      paths: ['/data'],
      hostname: 'bench',
      username: 'bench',
    });
}
