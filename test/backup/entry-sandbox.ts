import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after } from 'node:test';
import { bytesOfText } from '../../src/core/bytestring.ts';
import type { BackupReport, BackupRequest } from '../../src/engine/backup/backup.ts';
import type {
  Chunking,
  EntryContent,
  EntryRun,
  EntrySource,
  SourceEntry,
} from '../../src/model/source-entry.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { password, succeed, systemRestic } from '../programs.ts';
import { backUp } from '../repositories/backup.ts';
import { createCheapRepository } from '../repositories/cheap.ts';

/** What tests of entries share: repositories, entries, and restic to restore them. */

const scratch = mkdtempSync(join(tmpdir(), 'entries-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
let numbers = 0;
export const newPath = (name: string): string => join(scratch, `${name}-${numbers++}`);

export const pagesOf = (chunkBytes: number): Chunking => ({
  kind: 'pages',
  chunkBytes,
  pageBytes: 8192,
  check: null,
});
export const checked = (firstBlock = 0, notFrom = 1n << 62n): Chunking => ({
  kind: 'pages',
  chunkBytes: 32_768,
  pageBytes: 8192,
  check: { kind: 'postgres', firstBlock, notFrom },
});
export const pages = pagesOf(32_768);
export const byContent: Chunking = { kind: 'content-defined' };
export const finely: Chunking = { kind: 'content-defined', averageBytes: 16_384 };

export async function newRepository(): Promise<string> {
  const path = newPath('repository');
  await createCheapRepository(localStorage(path));
  return path;
}

type Entries = (run: EntryRun) => AsyncIterable<SourceEntry>;

/** Backs entries up. Workers are two, so that what should be spread over them is. */
export async function backUpEntries(
  repository: string,
  entries: readonly SourceEntry[] | Entries,
  options: Partial<BackupRequest> = {},
): Promise<BackupReport> {
  async function* listed(): AsyncGenerator<SourceEntry> {
    if (typeof entries !== 'function') yield* entries;
  }
  const source: EntrySource = {
    paths: ['/cluster'],
    entries: typeof entries === 'function' ? entries : listed,
    tags: () => ['lifeboat:kind=test'],
  };
  const opened = await openRepository(localStorage(repository), password);
  return backUp(opened, '', { source: { entries: source }, parent: null, workers: 2, ...options });
}

export async function restore(repository: string): Promise<string> {
  await succeed(systemRestic, ['check', '--read-data'], { repository });
  const target = newPath('target');
  await succeed(systemRestic, ['restore', 'latest', '--target', target], { repository });
  return target;
}

export const file = (path: string, content?: EntryContent, more: Partial<SourceEntry> = {}): SourceEntry => ({
  path: bytesOfText(path),
  type: 'file',
  permissions: 0o600,
  uid: process.getuid!(),
  gid: process.getgid!(),
  mtimeNs: 1_700_000_000_123_456_789n,
  ...(content ? { content } : {}),
  ...more,
});

export const localFile = (path: string, size: number, chunking: Chunking = pages): EntryContent => ({
  kind: 'file',
  path: bytesOfText(path),
  size,
  chunking,
});

export async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

export function write(path: string, content: Uint8Array | string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}
