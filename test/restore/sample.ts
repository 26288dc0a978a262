import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { type ByteString, bytesOfText, toText } from '../../src/core/bytestring.ts';
import { messageOf } from '../../src/core/errors.ts';
import { readGround, runBackup } from '../../src/engine/backup/backup.ts';
import { type RestoreAction, type RestoreRequest, selectAll } from '../../src/engine/restore/request.ts';
import { type RestoreReport, startRestore } from '../../src/engine/restore/restore.ts';
import { findSubtree } from '../../src/engine/walk/walk-tree.ts';
import type { Id } from '../../src/model/id.ts';
import { openBlobReader } from '../../src/repository/blob-reader.ts';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { createCheapRepository } from '../repositories/cheap.ts';

/** A folder for one test file, gone at its end. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-restore-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Sample {
  readonly repository: Repository;
  /** What is backed up; paths in the tree are those below it. */
  readonly source: string;
  /** Backs the folder up. @returns its tree. */
  backup(): Promise<Id>;
}

export async function createSample(scratch: string): Promise<Sample> {
  const repository = await createCheapRepository(localStorage(join(scratch, 'repository')));
  const source = join(scratch, 'source');
  mkdirSync(source);
  return {
    repository,
    source,
    async backup() {
      const { tree } = await runBackup(repository, await readGround(repository), {
        source: { paths: [bytesOfText(source)] },
        selection: { keepPath: () => true, keepEntry: () => true },
        parent: null,
        ignoreInode: false,
        ignoreCtime: false,
        withAtime: false,
        skipIfUnchanged: false,
        tags: [],
        excludes: [],
        host: 'test',
        timeMs: undefined,
        program: 'test',
        workingDirectory: '/',
        compression: 'auto',
        packBytes: undefined,
        workers: 2,
        signal: new AbortController().signal,
        events: { problem: (_path, error) => assertNever(error) },
      });
      const reader = openBlobReader(repository, await loadIndex(repository));
      return findSubtree(reader, tree, bytesOfText(source));
    },
  };
}

function assertNever(error: unknown): never {
  throw error;
}

export interface Restored extends RestoreReport {
  /** `action path`, in the order they were told. */
  readonly items: readonly string[];
  /** `path: message`. */
  readonly problems: readonly string[];
}

/** Restores a tree with everything told remembered. */
export async function restore(
  repository: Repository,
  tree: Id,
  target: string,
  more: Partial<RestoreRequest> = {},
): Promise<Restored> {
  const items: string[] = [];
  const problems: string[] = [];
  const request: RestoreRequest = {
    tree,
    target: bytesOfText(target),
    selection: selectAll,
    overwrite: 'always',
    deleteExtra: false,
    dryRun: false,
    sparse: false,
    owner: 'numeric',
    workers: 2,
    signal: new AbortController().signal,
    events: {
      problem: (location, error) => problems.push(`${toText(location)}: ${messageOf(error)}`),
      item: (action: RestoreAction, location: ByteString) => items.push(`${action} ${toText(location)}`),
    },
    ...more,
  };
  const report = await startRestore(repository, await loadIndex(repository), request).done;
  return { ...report, items, problems };
}
