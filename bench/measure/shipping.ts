import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { asServer, type Server } from '../programs/postgres.ts';
import { NotMeasured } from '../settings.ts';
import { type Command, type Measurement, measure } from './process.ts';

/** How far the pieces of a log in a repository lie behind the server that writes it. */
export interface Shipping {
  /** Runs the load, meanwhile noting what is committed when. */
  during(load: Command): Promise<Measurement>;
  /** For each note, seconds until a stored piece covered it. @throws NotMeasured where that takes too long. */
  lags(secondsMax: number): Promise<number[]>;
}

interface Note {
  readonly ms: number;
  readonly lsn: bigint;
}

const intervalMs = 100;

/**
 * Notes the server's flushed position every 100 ms by a psql of its own that stays connected. What is durable is
 * told by the repository's files alone: their names say which bytes of which segment they hold, their ctime when
 * they got this name. Pieces are stored in order, so the newest covers all before it.
 */
export function watchShipping(server: Server, repository: string | null): Shipping {
  const notes: Note[] = [];
  return {
    async during(load) {
      if (repository === null) return measure(load);
      const watching = new AbortController();
      const noting = noteFlushed(server, notes, watching.signal);
      try {
        return await measure(load);
      } finally {
        watching.abort();
        await noting;
      }
    },
    async lags(secondsMax) {
      if (repository === null) return [];
      const last = notes.at(-1);
      if (!last) throw new NotMeasured('nothing was noted');
      const giveUp = Date.now() + secondsMax * 1000;
      let pieces = piecesOf(repository);
      while ((pieces.at(-1)?.lsn ?? 0n) < last.lsn) {
        if (Date.now() > giveUp) throw new NotMeasured(`the log was not stored within ${secondsMax} s`);
        await sleep(intervalMs);
        pieces = piecesOf(repository);
      }
      // The earliest time at which everything up to a note was there.
      let at = 0;
      let reached = 0n;
      let reachedMs = 0;
      return notes.map((note) => {
        while (reached < note.lsn) {
          const piece = pieces[at++]!;
          reached = piece.lsn > reached ? piece.lsn : reached;
          reachedMs = Math.max(reachedMs, piece.ms);
        }
        return Math.max(0, reachedMs - note.ms) / 1000;
      });
    },
  };
}

/** `\watch` would put a second between two; so each turn sleeps in the server. */
async function noteFlushed(server: Server, notes: Note[], signal: AbortSignal): Promise<void> {
  const { spawn } = await import('node:child_process');
  const { file, args, account } = asServer(server.command('psql', '-X', '-A', '-t', '-q', '-d', 'postgres'));
  const child = spawn(file, args, { ...account, cwd: '/', stdio: ['pipe', 'pipe', 'ignore'] });
  const ask = `select (extract(epoch from clock_timestamp()) * 1000) || '|' || (pg_current_wal_flush_lsn() - '0/0')`;
  let rest = '';
  child.stdout.on('data', (bytes: Buffer) => {
    const lines = (rest + bytes).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [ms, lsn] = line.split('|');
      if (ms && lsn) notes.push({ ms: Number(ms), lsn: BigInt(lsn) });
    }
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.stdin.on('error', () => undefined); // it ended, and is waited for below
  while (!signal.aborted) {
    child.stdin.write(`${ask};\n`);
    await sleep(intervalMs);
  }
  child.stdin.end();
  await ended;
}

const pieceName = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})-([0-9a-f]{8})-([0-9a-f]{8})\.[0-9a-f]+$/i;
const segmentBytes = 16n * 1024n * 1024n;

/** Where each stored piece of the log ends, and since when it is there; in order of its end. */
function piecesOf(repository: string): Note[] {
  const journal = join(repository, 'lifeboat', 'journal');
  if (!existsSync(journal)) return [];
  const pieces: Note[] = [];
  for (const entry of readdirSync(journal, { recursive: true, withFileTypes: true })) {
    const match = entry.isFile() ? pieceName.exec(entry.name) : null;
    if (!match) continue;
    const [, , log, segment, , to] = match;
    const start = (BigInt(`0x${log}`) << 32n) + BigInt(`0x${segment}`) * segmentBytes;
    const { ctimeMs } = statSync(join(entry.parentPath, entry.name));
    pieces.push({ ms: ctimeMs, lsn: start + BigInt(`0x${to}`) });
  }
  return pieces.sort((a, b) => Number(a.lsn - b.lsn) || a.ms - b.ms);
}
