import { hostname, userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, hasCode, LifeboatError, messageOf } from '../core/errors.ts';
import type { Id } from '../model/id.ts';
import { formatTime, parseTime } from '../model/time.ts';
import { beginLists, type FirstLists } from './first-lists.ts';
import { keyOf } from './layout.ts';
import { type ListedFile, listFiles, type Repository } from './repository.ts';

/**
 * Locks as restic takes them (doc/design.rst "Locks", internal/repository/lock_file.go): many shared ones or
 * one exclusive. Check, create, wait, check again; refreshed by writing a new file before deleting the old.
 */
export interface LockFile {
  readonly time: string;
  readonly exclusive: boolean;
  readonly hostname: string;
  readonly username: string;
  readonly pid: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface StoredLock extends LockFile {
  readonly id: Id;
}

const settleMs = 200;
const refreshEveryMs = 5 * 60_000;
export const staleAfterMs = 30 * 60_000;
/** Work stops when the lock could not be refreshed for this long: before others may see it as stale. */
const refreshDeadlineMs = staleAfterMs - 1.5 * refreshEveryMs;
/** Most locks are short, so the first looks follow soon; restic waits five seconds. */
const retryFirstMs = 1_000;
const retryMaxMs = 60_000;

const lockTimeMs = (lock: LockFile): number => {
  const { seconds, nanoseconds } = parseTime(lock.time);
  return seconds * 1000 + nanoseconds / 1e6;
};

function newLockFile(exclusive: boolean): LockFile {
  const now = Date.now();
  const user = userInfo();
  const root = user.uid === 0 && user.gid === 0;
  return {
    time: formatTime(Math.floor(now / 1000), (now % 1000) * 1e6),
    exclusive,
    hostname: hostname(),
    username: user.username,
    pid: process.pid,
    ...(root ? {} : { uid: user.uid, gid: user.gid }),
  };
}

async function loadLock(repository: Repository, id: Id): Promise<StoredLock> {
  const value = JSON.parse(
    Buffer.from(await repository.files.load('locks', id)).toString('utf8'),
  ) as Partial<LockFile>;
  return {
    id,
    time: String(value.time ?? ''),
    exclusive: value.exclusive === true,
    hostname: String(value.hostname ?? ''),
    username: String(value.username ?? ''),
    pid: Number(value.pid ?? 0),
  };
}

export interface UnreadableLock {
  readonly id: Id;
  readonly error: unknown;
}

/** All locks but those skipped. A lock that vanishes meanwhile is not there; an empty file is one half written. */
export async function readLocks(
  repository: Repository,
  skip: ReadonlySet<Id> = new Set(),
  listed?: FirstLists['locks'],
): Promise<{ locks: StoredLock[]; unreadable: UnreadableLock[] }> {
  const locks: StoredLock[] = [];
  const unreadable: UnreadableLock[] = [];
  for (const { id, size } of await (listed ?? listFiles(repository.storage, 'locks'))) {
    if (skip.has(id) || size === 0) continue;
    try {
      locks.push(await loadLock(repository, id));
    } catch (error) {
      if (hasCode(error, 'storage-missing-file')) continue;
      unreadable.push({ id, error });
    }
  }
  return { locks, unreadable };
}

/** Older than 30 minutes, or made on this host by a process that is gone. SIGHUP is what restic probes with. */
export function isStale(lock: LockFile, nowMs = Date.now()): boolean {
  if (nowMs - lockTimeMs(lock) > staleAfterMs) return true;
  if (lock.hostname !== hostname()) return false;
  if (lock.pid === process.pid) return false;
  try {
    process.kill(lock.pid, 0);
    return false;
  } catch (error) {
    return errnoOf(error) === 'ESRCH';
  }
}

export function describeLock(lock: StoredLock, nowMs = Date.now()): string {
  const minutes = Math.max(0, Math.round((nowMs - lockTimeMs(lock)) / 60_000));
  return `PID ${lock.pid} on ${lock.hostname} by ${lock.username}, ${minutes} min ago (lock ${lock.id.slice(0, 8)})`;
}

/** @throws LifeboatError `repository-locked` where another lock forbids this one, `lock-invalid` for unreadable ones. */
async function refuseConflicts(
  repository: Repository,
  exclusive: boolean,
  own: ReadonlySet<Id>,
  listed?: FirstLists['locks'],
): Promise<void> {
  const { locks, unreadable } = await readLocks(repository, own, listed);
  const conflict = locks.find((lock) => exclusive || lock.exclusive);
  if (conflict) {
    const how = conflict.exclusive ? 'exclusively locked' : 'locked';
    const stale = isStale(conflict)
      ? '; that process is gone or silent, so `lifeboat unlock` may remove the lock'
      : '';
    throw new LifeboatError(
      'repository-locked',
      `the repository is ${how} by ${describeLock(conflict)}${stale}`,
    );
  }
  const bad = unreadable[0];
  if (bad)
    throw new LifeboatError('lock-invalid', `the lock ${bad.id} cannot be read: ${messageOf(bad.error)}`, {
      cause: bad.error,
    });
}

async function saveLock(repository: Repository, exclusive: boolean): Promise<Id> {
  return repository.files.save('locks', Buffer.from(JSON.stringify(newLockFile(exclusive))));
}

/** Returns whether it was there. */
async function removeIfThere(repository: Repository, id: Id): Promise<boolean> {
  try {
    await repository.storage.remove(keyOf('locks', id));
    return true;
  } catch (error) {
    if (!hasCode(error, 'storage-missing-file')) throw error;
    return false;
  }
}

/**
 * Whether index files went away: a prune may have ended between the two checks without having seen this lock, and
 * what was read meanwhile may tell of packs that are gone.
 */
function lacksIndexFiles(before: readonly ListedFile[], now: readonly ListedFile[]): boolean {
  const there = new Set(now.map(({ id }) => id));
  return before.some(({ id }) => !there.has(id));
}

/** Waits until two who lock at once see each other. @throws LifeboatError where this one has to give way. */
async function settle(
  repository: Repository,
  { exclusive, retryForMs = 0 }: LockOptions,
  id: Id,
  lists: FirstLists | null,
): Promise<void> {
  await sleep(settleMs);
  const { storage } = repository;
  const indexBefore = lists ? await lists.index : [];
  const indexNow = indexBefore.length > 0 ? listFiles(storage, 'index') : null;
  indexNow?.catch(() => undefined); // thrown below, unless there is a conflict
  await refuseConflicts(repository, exclusive, new Set([id])).catch((error: unknown) => {
    // Who is willing to wait for a lock begins again, and then waits before it reads.
    if (lists && retryForMs > 0 && hasCode(error, 'repository-locked'))
      throw new LifeboatError('lock-raced', error.message, { cause: error });
    throw error;
  });
  if (indexNow && lacksIndexFiles(indexBefore, await indexNow))
    throw new LifeboatError('lock-raced', 'another process pruned the repository while this one began');
}

interface NewLock {
  /** Of a lock taken early. */
  readonly lists: FirstLists | null;
  /** Resolves to the lock file when the lock is known to stand; rejects, the lock deleted, where it does not. */
  readonly settled: Promise<Id>;
}

async function acquireOnce(repository: Repository, options: LockOptions): Promise<NewLock> {
  const { exclusive, early } = options;
  const lists = early ? (early === true ? beginLists(repository.storage) : early) : null;
  await refuseConflicts(repository, exclusive, new Set(), lists?.locks);
  const saved = saveLock(repository, exclusive);
  const settled = saved.then(async (id) => {
    try {
      await settle(repository, options, id, lists);
      return id;
    } catch (error) {
      await removeIfThere(repository, id);
      throw error;
    }
  });
  // Whoever began early awaits it before the first write; until then a rejection must not end the process.
  settled.catch(() => undefined);
  // An exclusive lock keeps others from writing what is read: it has to be there for them to see.
  if (exclusive || !early) await saved;
  if (!early) await settled;
  return { lists, settled };
}

export interface LockOptions {
  readonly exclusive: boolean;
  /** How long to wait for other locks to go away. Default: not at all. */
  readonly retryForMs?: number;
  readonly signal?: AbortSignal;
  /**
   * Return before the lock has settled; a shared one even before others see it. Reading may begin, from the
   * `lists` of the lock; nothing may be written before `settled` has resolved. If it rejects with `lock-raced`,
   * what was read may be outdated: begin again. The lists may have been begun before.
   */
  readonly early?: FirstLists | true;
  /** Told once when the wait begins. */
  readonly onWait?: (error: LifeboatError) => void;
}

export interface HeldLock {
  /** Aborts with `lock-lost` when the lock can no longer be trusted, or with the caller's own signal. */
  readonly signal: AbortSignal;
  /** Resolved but for a lock taken early. */
  readonly settled: Promise<void>;
  /** Of a lock taken early: what is to be read from. */
  readonly lists: FirstLists | null;
  release(): Promise<void>;
}

async function acquire(repository: Repository, options: LockOptions): Promise<NewLock> {
  const deadline = Date.now() + (options.retryForMs ?? 0);
  let told = false;
  let attempt = options;
  for (let waitMs = retryFirstMs; ; waitMs = Math.min(waitMs * 2, retryMaxMs)) {
    try {
      return await acquireOnce(repository, attempt);
    } catch (error) {
      const left = deadline - Date.now();
      if (!hasCode(error, 'repository-locked') || left <= 0) throw error;
      if (!told) options.onWait?.(error);
      told = true;
      await sleep(Math.min(waitMs, left), undefined, options.signal ? { signal: options.signal } : {});
      if (options.early) attempt = { ...options, early: true };
    }
  }
}

/** Takes a lock and keeps it fresh until released. @throws LifeboatError `repository-locked`, `lock-invalid`. */
export async function acquireLock(repository: Repository, options: LockOptions): Promise<HeldLock> {
  const { lists, settled } = await acquire(repository, options);
  /** All lock files of this lock: more than one while it is refreshed, or where an old one could not be deleted. */
  const held = new Set<Id>();
  const standing = settled.then((id) => void held.add(id));
  standing.catch(() => undefined); // the caller's to see
  let newest: Id | null = null;
  let refreshedAt = Date.now();
  let released = false;
  const lost = new AbortController();

  /** The lock may have been removed while this machine slept: then what it protected may be gone. */
  async function refresh(id: Id): Promise<void> {
    const removed = () =>
      new LifeboatError('lock-lost', `the lock ${id} was removed from the repository by another process`);
    const present = (await listFiles(repository.storage, 'locks')).some((file) => file.id === id);
    if (!present) throw removed();
    const fresh = await saveLock(repository, options.exclusive);
    held.add(fresh);
    const wasThere = await removeIfThere(repository, id);
    held.delete(id);
    if (!wasThere) throw removed();
    newest = fresh;
    refreshedAt = Date.now();
  }

  let running: Promise<void> = Promise.resolve();
  const tick = (): void => {
    running = running.then(async () => {
      if (released || lost.signal.aborted || Date.now() - refreshedAt < refreshEveryMs) return;
      try {
        newest ??= await settled;
        await refresh(newest);
      } catch (error) {
        const lockGone = hasCode(error, 'lock-lost');
        // Other failures may pass: the next tick tries again until the deadline.
        if (!lockGone && Date.now() - refreshedAt < refreshDeadlineMs) return;
        lost.abort(
          lockGone
            ? error
            : new LifeboatError('lock-lost', `the lock could not be refreshed in time: ${messageOf(error)}`, {
                cause: error,
              }),
        );
      }
    });
  };
  const timer = setInterval(tick, 10_000);
  timer.unref();

  return {
    signal: options.signal ? AbortSignal.any([lost.signal, options.signal]) : lost.signal,
    settled: standing,
    lists,
    async release() {
      released = true;
      clearInterval(timer);
      await running;
      await standing.catch(() => undefined); // its failure was the caller's to see, and has deleted the lock
      for (const file of held) await removeIfThere(repository, file);
    },
  };
}

/** Runs work under a lock and always gives the lock back. */
export async function withLock<T>(
  repository: Repository,
  options: LockOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lock = await acquireLock(repository, options);
  try {
    return await work(lock.signal);
  } finally {
    await lock.release();
  }
}

/** Deletes stale locks, or every lock. Returns how many. */
export async function removeLocks(repository: Repository, all: boolean): Promise<number> {
  let removed = 0;
  if (all) {
    for (const { id } of await listFiles(repository.storage, 'locks')) {
      await removeIfThere(repository, id);
      removed++;
    }
    return removed;
  }
  for (const lock of (await readLocks(repository)).locks) {
    if (!isStale(lock)) continue;
    await removeIfThere(repository, lock.id);
    removed++;
  }
  return removed;
}
