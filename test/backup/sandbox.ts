import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type CommandResult, runForTest } from '../../src/cli/testing.ts';
import { type ByteString, toPath } from '../../src/core/bytestring.ts';
import type { Id } from '../../src/model/id.ts';
import type { TreeNode } from '../../src/model/node.ts';
import type { StoredSnapshot } from '../../src/model/snapshot.ts';
import { openBlobReader } from '../../src/repository/blob-reader.ts';
import { loadIndex } from '../../src/repository/index/blob-index.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { createCheapRepository, testPassword } from '../repositories/cheap.ts';

/** A repository, a folder of files, and Lifeboat's command line in this very process between them. */
export interface Sandbox {
  readonly repository: string;
  /** The folder that is backed up. */
  readonly source: string;
  /** A path beside both. */
  path(name: string): string;
  /** Writes a file of the source, with its folders. */
  write(name: string | ByteString, content?: string | Uint8Array): string;
  /** Runs `lifeboat backup` with these arguments. */
  backup(...args: string[]): Promise<CommandResult>;
  backupWith(more: NonNullable<Parameters<typeof runForTest>[1]>, ...args: string[]): Promise<CommandResult>;
  /** Newest last. */
  snapshots(): Promise<StoredSnapshot[]>;
  latest(): Promise<StoredSnapshot>;
  /** What a snapshot holds below a path: nodes by their path from there. */
  entries(snapshot: StoredSnapshot, below?: string): Promise<Map<string, TreeNode>>;
  contentOf(node: TreeNode | undefined): Promise<Buffer>;
  filesInRepository(): string[];
  remove(): void;
}

export async function createSandbox(name: string): Promise<Sandbox> {
  const folder = mkdtempSync(join(tmpdir(), `backup-${name}-`));
  const repository = join(folder, 'repository');
  const source = join(folder, 'source');
  mkdirSync(source);
  await createCheapRepository(localStorage(repository));
  const env = { LIFEBOAT_REPOSITORY: repository, LIFEBOAT_PASSWORD: testPassword, LIFEBOAT_HOST: 'test' };

  async function open() {
    const opened = await openRepository(localStorage(repository), testPassword);
    return { opened, reader: openBlobReader(opened, await loadIndex(opened)) };
  }

  async function snapshots(): Promise<StoredSnapshot[]> {
    const { snapshots: all } = await listSnapshots((await open()).opened, false);
    return all.toSorted((one, other) => (one.time < other.time ? -1 : 1));
  }

  const backupWith: Sandbox['backupWith'] = (more, ...args) =>
    runForTest(['backup', '--read-concurrency=1', ...args], { ...more, env: { ...env, ...more.env } });

  return {
    repository,
    source,
    path: (name) => join(folder, name),
    write(name, content = 'content') {
      const path = `${source}/${name}` as ByteString;
      mkdirSync(toPath(dirname(path) as ByteString), { recursive: true });
      writeFileSync(toPath(path), content);
      return path;
    },
    backup: (...args) => backupWith({}, ...args),
    backupWith,
    snapshots,
    async latest() {
      const latest = (await snapshots()).at(-1);
      assert.ok(latest, 'there is a snapshot');
      return latest;
    },
    async entries(snapshot, below = '') {
      const { reader } = await open();
      const found = new Map<string, TreeNode>();
      async function visit(tree: Id, path: string): Promise<void> {
        for (const node of await reader.loadTree(tree)) {
          const at = `${path}/${node.name}`;
          if (at.startsWith(`${below}/`)) found.set(at.slice(below.length + 1), node);
          if (node.type === 'dir') await visit(node.subtree!, at);
        }
      }
      await visit(snapshot.tree!, '');
      reader.close();
      return found;
    },
    async contentOf(node) {
      assert.ok(node?.content, 'it is a file');
      const { reader } = await open();
      const parts: Uint8Array[] = [];
      for (const id of node.content) parts.push(await reader.loadBlob('data', id));
      reader.close();
      return Buffer.concat(parts);
    },
    filesInRepository: () =>
      (readdirSync(repository, { recursive: true, withFileTypes: true }) ?? [])
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .sort(),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
