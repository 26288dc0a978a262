import { chownSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * A folder beside the log of a server in recovery, from which its restore_command takes segments by renaming them:
 * no process of ours is started for a segment, and nothing is copied.
 *
 *     000000010000000000000007          ready to be taken
 *     000000010000000000000008.coming   will be there; whoever asks for it waits
 *     history/00000002.history          copied, as PostgreSQL asks for it again and again
 *     alive                             changes every second while this process feeds the spool
 *     abort                             ends the recovery of whoever waits
 *     fetch                             the part of the restore_command that waits
 */

export interface SpoolOwner {
  readonly uid: number;
  readonly gid: number;
}

export interface Spool {
  readonly folder: string;
  /** For postgresql.auto.conf. */
  readonly restoreCommand: string;
  /** Makes whoever asks for these segments wait for them. */
  announce(names: readonly string[]): void;
  /** Puts a history file there. */
  addHistory(name: string, content: Uint8Array): void;
  /** Puts a segment there, whole or not at all. @throws system errors. */
  publish(name: string, bytes: Uint8Array): Promise<void>;
  /** Segments that were published and not taken yet. */
  ready(): string[];
  /** Ends a recovery that waits, and any that comes. */
  abort(reason: string): void;
  /** From now on it is complete: nobody waits, and this process may end. */
  complete(): void;
  /** Ends the sign of life. The folder stays. */
  close(): void;
}

const aliveIntervalMs = 1000;
const waitStepMs = 20;
/** Longer than any pause of a process that is well. */
const silenceMsDefault = 30_000;

/** Within pg_wal, so that it lies on the same file system even where that is a link. */
export const spoolPath = 'pg_wal/lifeboat';

/**
 * What waits for a segment: until it is there (renamed, 0), will not come (1), or whoever feeds the spool has
 * fallen silent or given up (255: PostgreSQL then stops instead of ending the recovery there).
 * @param folder for the shell, relative to the data directory, which is the working directory of a restore_command.
 */
export function fetchScript(silenceMs: number): string {
  const rounds = Math.max(1, Math.ceil(silenceMs / waitStepMs));
  return `# restore_command: fetch NAME DESTINATION
d=${spoolPath}
f=$d/$1
case $1 in
*.history)
  [ -e "$d/history/$1" ] || exit 1
  exec cp "$d/history/$1" "$2"
  ;;
esac
silent=0
last=
while :; do
  [ -e "$d/abort" ] && exit 255
  if [ -e "$f" ]; then
    mv -f "$f" "$2" && exit 0
    exit 255
  fi
  if [ ! -e "$f.coming" ]; then
    [ -e "$f" ] && continue
    exit 1
  fi
  now=
  read -r now <"$d/alive"
  if [ "$now" = "$last" ]; then
    silent=$((silent + 1))
    [ "$silent" -ge ${rounds} ] && exit 255
  else
    silent=0
    last=$now
  fi
  sleep ${waitStepMs / 1000}
done
`;
}

export function createSpool(
  dataDirectory: string,
  owner: SpoolOwner | null,
  silenceMs = silenceMsDefault,
): Spool {
  const folder = join(dataDirectory, spoolPath);
  const path = (name: string): string => join(folder, name);
  const give = (file: string): void => {
    if (owner) chownSync(file, owner.uid, owner.gid);
  };
  const write = (name: string, text: string | Uint8Array): void => {
    const temporary = path(`${name}.new`);
    writeFileSync(temporary, text, { mode: 0o600 });
    give(temporary);
    renameSync(temporary, path(name));
  };

  /** Published and, when last looked at, still there: thousands that are to come need not be listed for it. */
  const waiting = new Set<string>();
  rmSync(folder, { recursive: true, force: true });
  for (const made of [folder, join(folder, 'history')]) {
    mkdirSync(made, { mode: 0o700 });
    give(made);
  }
  write('fetch', fetchScript(silenceMs));
  let beats = 0;
  const beat = (): void => write('alive', `${process.pid}-${beats++}\n`);
  beat();
  const heart = setInterval(beat, aliveIntervalMs);
  heart.unref();

  return {
    folder,
    restoreCommand: `mv -f "${spoolPath}/%f" "%p" 2>/dev/null || exec sh ${spoolPath}/fetch "%f" "%p"`,
    announce(names) {
      for (const name of names) writeFileSync(path(`${name}.coming`), '', { mode: 0o600 });
    },
    addHistory: (name, content) => write(join('history', name), content),
    async publish(name, bytes) {
      const temporary = path(`.${name}.new`);
      const file = await open(temporary, 'w', 0o600);
      try {
        await file.writeFile(bytes);
        if (owner) await file.chown(owner.uid, owner.gid);
      } finally {
        await file.close();
      }
      await rename(temporary, path(name));
      waiting.add(name);
      await rm(path(`${name}.coming`), { force: true });
    },
    ready() {
      for (const name of waiting) if (!existsSync(path(name))) waiting.delete(name);
      return [...waiting];
    },
    abort(reason) {
      write('abort', `${reason}\n`);
    },
    complete() {
      clearInterval(heart);
      for (const name of readdirSync(folder)) if (name.endsWith('.coming')) rmSync(path(name));
    },
    close() {
      clearInterval(heart);
    },
  };
}
