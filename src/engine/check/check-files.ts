import { createHash } from 'node:crypto';
import { messageOf } from '../../core/errors.ts';
import type { Id } from '../../model/id.ts';
import { type BlobIndex, loadIndex } from '../../repository/index/blob-index.ts';
import { keyOf } from '../../repository/layout.ts';
import { listFiles, type Repository } from '../../repository/repository.ts';
import type { Findings } from './findings.ts';
import { findRepeatedPacks } from './index-files.ts';
import type { IndexedPacks } from './indexed-packs.ts';

/** Key files are named by their hash: any changed bit shows, also in those that other passwords open. */
export async function checkKeys(repository: Repository, findings: Findings): Promise<Id[]> {
  const damaged: Id[] = [];
  for (const { id } of await listFiles(repository.storage, 'keys')) {
    try {
      const hash = createHash('sha256').update(await repository.storage.load(keyOf('keys', id)));
      if (hash.digest('hex') === id) continue;
      findings.problem('key', id, `key ${id} is damaged: its content has another hash than its name says`);
    } catch (error) {
      findings.problem('key', id, `key ${id} cannot be read: ${messageOf(error)}`);
    }
    damaged.push(id);
  }
  return damaged;
}

export interface CheckedIndex {
  readonly index: BlobIndex;
  /** Whether some pack is described more than once. */
  readonly repeated: boolean;
}

/** Loads all index files, and tells which cannot be read and which repeat each other. */
export async function checkIndex(repository: Repository, findings: Findings): Promise<CheckedIndex> {
  const index = await loadIndex(repository, { tolerant: true });
  for (const [id, error] of index.broken) findings.problem('index', id, messageOf(error));
  const repeated = index.broken.size > 0 ? [] : await findRepeatedPacks(repository, index);
  for (const { id, files, agree } of repeated) {
    const list = files.map((file) => file.slice(0, 8)).join(', ');
    if (agree) findings.note('duplicate-pack', id, `pack ${id} is in the index more than once: ${list}`);
    else findings.damagedPack(id, `pack ${id} is described differently in the index files ${list}`);
  }
  return { index, repeated: repeated.length > 0 };
}

/** A pack that the index knows and that is there. */
export interface PresentPack {
  readonly number: number;
  readonly id: Id;
  /** Size as storage lists it. */
  readonly bytes: number;
}

export interface Presence {
  readonly present: readonly PresentPack[];
  /** Packs that no index file knows: left by an interrupted backup or prune, or about to be indexed. */
  readonly orphaned: number;
  readonly mixed: number;
}

/** Compares the packs that are there with those that the index knows. */
export async function checkPresence(
  repository: Repository,
  packs: IndexedPacks,
  findings: Findings,
): Promise<Presence> {
  const listed = new Map<Id, number>();
  for (const { id, size } of await listFiles(repository.storage, 'data')) listed.set(id, size);
  const present: PresentPack[] = [];
  let mixed = 0;
  for (let number = 0; number < packs.count; number++) {
    if (packs.entries(number).length === 0) continue;
    const id = packs.id(number);
    const bytes = listed.get(id);
    listed.delete(id);
    if (bytes === undefined) {
      findings.damagedPack(id, `pack ${id} does not exist`);
      continue;
    }
    const expected = packs.bytes(number);
    if (bytes !== expected)
      findings.damagedPack(id, `pack ${id} has ${bytes} bytes where the index says ${expected}`);
    const { data, tree } = packs.types(number);
    if (data && tree) {
      mixed++;
      findings.note('mixed-pack', id, `pack ${id} has both trees and data`);
    }
    present.push({ number, id, bytes });
  }
  for (const id of listed.keys()) findings.note('orphaned-pack', id, `pack ${id} is in no index file`);
  return { present, orphaned: listed.size, mixed };
}
