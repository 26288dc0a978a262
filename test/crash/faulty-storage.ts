import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, LifeboatError } from '../../src/core/errors.ts';
import type { Storage } from '../../src/storage/storage.ts';

/** A storage that misbehaves by script, to see what becomes of those who rely on it. */

export type OperationName = 'save' | 'load' | 'size' | 'list' | 'remove';

export interface Operation {
  /** Counted from 1 in the order in which they begin. */
  readonly number: number;
  readonly name: OperationName;
  readonly key: string;
}

interface Place {
  readonly at: number;
  /** Count only operations of this name on keys that begin so, as `save data/`: others come in varying number. */
  readonly among?: string;
}

export type Fault =
  /** Ends this very process as a power cut would; `middle` is after half or all of a temporary file is written. */
  | { readonly kind: 'kill'; readonly at: number; readonly when: 'before' | 'middle' | 'after' }
  /** Rejects, having done nothing or having done it all. */
  | {
      readonly kind: 'fail';
      readonly at: number;
      readonly when: 'before' | 'after';
      readonly code: ErrorCode;
    }
  /** Every operation from this one on rejects. */
  | { readonly kind: 'gone'; readonly at: number; readonly code: ErrorCode }
  | { readonly kind: 'delay'; readonly at: number; readonly ms: number }
  /** Gives back (load) or stores (save) only this part of the bytes. */
  | ({ readonly kind: 'truncate'; readonly share: number } & Place)
  /** Flips one bit of what is loaded or stored. */
  | ({ readonly kind: 'flip'; readonly bit: number } & Place)
  /** Lists go on naming what was removed. */
  | { readonly kind: 'stale-lists' };

export interface FaultyStorage extends Storage {
  /** What was asked for so far. */
  readonly operations: readonly Operation[];
}

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  // The signal is delivered before the next statement; this only says so to the compiler.
  throw new Error('unreachable: SIGKILL came too late');
}

function damaged(bytes: Buffer, fault: Fault | undefined): Buffer {
  if (fault?.kind === 'truncate') return bytes.subarray(0, Math.floor(bytes.length * fault.share));
  if (fault?.kind === 'flip' && bytes.length > 0) {
    const copy = Buffer.from(bytes);
    copy[Math.floor(fault.bit / 8) % copy.length]! ^= 1 << (fault.bit % 8);
    return copy;
  }
  return bytes;
}

/** Puts faults between a storage and its user. Worker threads that read `localPath` themselves are not met. */
export function faultyStorage(inner: Storage, faults: readonly Fault[]): FaultyStorage {
  const operations: Operation[] = [];
  const removed = new Map<string, number>();
  const staleLists = faults.some(({ kind }) => kind === 'stale-lists');

  /** Counts the operation and meets its fault; the caller does its work between `before` and `after`. */
  function begin(name: OperationName, key: string): { fault: Fault | undefined; number: number } {
    const number = operations.length + 1;
    operations.push({ number, name, key });
    const fault = faults.find((one) => {
      if (one.kind === 'stale-lists') return false;
      if (one.kind === 'gone') return number >= one.at;
      const among = 'among' in one ? one.among : undefined;
      if (among === undefined) return number === one.at;
      const isCounted = (other: Operation): boolean => `${other.name} ${other.key}`.startsWith(among);
      return isCounted(operations.at(-1)!) && operations.filter(isCounted).length === one.at;
    });
    return { fault, number };
  }

  async function run<T>(
    name: OperationName,
    key: string,
    work: (fault: Fault | undefined) => Promise<T>,
  ): Promise<T> {
    const { fault, number } = begin(name, key);
    const refuse = (code: ErrorCode): never => {
      throw new LifeboatError(code, `scripted failure of operation ${number}: ${name} ${key}`);
    };
    if (fault?.kind === 'gone') refuse(fault.code);
    if (fault?.kind === 'delay') await sleep(fault.ms);
    if (fault?.kind === 'kill' && fault.when === 'before') die();
    if (fault?.kind === 'fail' && fault.when === 'before') refuse(fault.code);
    const result = await work(fault);
    if (fault?.kind === 'kill') die();
    if (fault?.kind === 'fail') refuse(fault.code);
    return result;
  }

  /** What the local storage leaves when it is killed before its rename: odd operations half a file, even ones a whole. */
  async function leaveTemporary(key: string, bytes: Buffer, number: number): Promise<void> {
    const path = inner.localPath(key);
    if (path === null) return;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const written = number % 2 === 1 ? bytes.subarray(0, bytes.length >> 1) : bytes;
    writeFileSync(`${path}-tmp-0123456789ab`, written, { mode: 0o600 });
  }

  return {
    location: inner.location,
    connections: inner.connections,
    operations,
    create: () => inner.create(),
    save: (key, parts) =>
      run('save', key, async (fault) => {
        const bytes = Buffer.concat(parts);
        if (fault?.kind === 'kill' && fault.when === 'middle') {
          await leaveTemporary(key, bytes, fault.at);
          die();
        }
        await inner.save(key, [damaged(bytes, fault)]);
        removed.delete(key);
      }),
    load: (key, range) => run('load', key, async (fault) => damaged(await inner.load(key, range), fault)),
    size: (key) => run('size', key, () => inner.size(key)),
    list: (prefix) =>
      run('list', prefix, async () => {
        const found = await inner.list(prefix);
        if (!staleLists) return found;
        const stale = [...removed].filter(([key]) => key.startsWith(prefix));
        return [...found, ...stale.map(([key, size]) => ({ key, size }))];
      }),
    remove: (key) =>
      run('remove', key, async () => {
        const size = await inner.size(key);
        await inner.remove(key);
        if (size !== null) removed.set(key, size);
      }),
    localPath: (key) => inner.localPath(key),
  };
}
