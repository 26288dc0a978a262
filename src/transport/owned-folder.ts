import { createHash } from 'node:crypto';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Private folders that bear in their names who made them, so that those of processes that were killed are found and
 * removed: they hold dumps and passwords.
 */

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return fallback; // not Linux, or no such process
  }
}

/** When a process started, in ticks since the machine did (proc(5), field 22); null where there is none. */
function startTicks(pid: number | 'self'): string | null {
  const stat = readOr(`/proc/${pid}/stat`, '');
  // The program's name, in brackets, may hold anything.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

/** Numbers of processes mean something within one boot of one machine and one container only. */
function processSpace(): string | null {
  const boot = readOr('/proc/sys/kernel/random/boot_id', '');
  if (boot === '') return null;
  try {
    const space = `${boot}${readlinkSync('/proc/self/ns/pid')}`;
    return createHash('sha256').update(space).digest('hex').slice(0, 8);
  } catch {
    return null; // hidden from this process
  }
}

const ownedName = /^([0-9a-f]{8})-(\d+)-(\d+)-[A-Za-z0-9]{6}$/;

/**
 * Makes a folder that only this account may enter, and removes those of the same prefix that dead processes of this
 * account left in the same place. The caller removes it.
 * @param prefix such as `lifeboat-dump-`. @throws what `mkdtemp` throws.
 */
export function makeOwnedFolder(place: string, prefix: string): string {
  const space = processSpace();
  const ticks = startTicks('self');
  if (space === null || ticks === null) return mkdtempSync(join(place, prefix));
  removeAbandoned(place, prefix, space);
  return mkdtempSync(join(place, `${prefix}${space}-${process.pid}-${ticks}-`));
}

function removeAbandoned(place: string, prefix: string, space: string): void {
  for (const name of readdirSync(place)) {
    const owner = name.startsWith(prefix) ? ownedName.exec(name.slice(prefix.length)) : null;
    if (!owner || owner[1] !== space || startTicks(Number(owner[2])) === owner[3]) continue;
    const path = join(place, name);
    try {
      const { uid } = lstatSync(path);
      if (uid === process.geteuid?.()) rmSync(path, { recursive: true, force: true });
    } catch {
      // Another process removes it at the same time, or what was left writes into it still: the next one tries again.
    }
  }
}
