import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOfText } from '../../../core/bytestring.ts';
import type { Chunking, SourceEntry } from '../../../model/source-entry.ts';
import { streamTool } from '../../../transport/run-tool.ts';
import type { DatabaseFacts } from './databases.ts';
import { dumpArguments } from './dump-arguments.ts';
import { dumpFailure } from './dump-failure.ts';
import type { ToolLogin } from './held-environment.ts';
import type { LogicalBackupOptions } from './options.ts';
import { makeScratch, removeScratch } from './scratch.ts';

/** The dump of one database as entries of a snapshot. */

export interface DumpJob {
  readonly options: LogicalBackupOptions;
  /** Path of pg_dump. */
  readonly program: string;
  readonly login: ToolLogin;
  readonly database: DatabaseFacts;
  /** Path in the snapshot. */
  readonly path: string;
  readonly chunkBytes: number;
}

/** Below this a file is handed over whole. */
const smallFileBytes = 64 * 1024;
const readBytes = 1024 * 1024;

type Content = SourceEntry['content'];

export function entryOf(path: string, content: Content, mtimeMs = Date.now()): SourceEntry {
  return {
    path: bytesOfText(path),
    type: 'file',
    permissions: 0o600,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    mtimeNs: BigInt(Math.round(mtimeMs)) * 1_000_000n,
    ...(content ? { content } : {}),
  };
}

const what = ({ database }: DumpJob): string => `the dump of ${JSON.stringify(database.name)}`;

function toolCommand(job: DumpJob, folder: string | null) {
  const { selection, lockWaitMs, jobs, signal } = job.options;
  return {
    program: job.program,
    args: dumpArguments(selection, { lockWaitMs, jobs, folder }),
    // The dump is in the database's own encoding, which nothing needs to be converted for.
    env: { ...job.login.env, PGCLIENTENCODING: undefined, LC_ALL: 'C' },
    secrets: job.login.secrets,
    endsWithUs: true,
    signal,
  };
}

/**
 * Yields the dump, and returns its bytes.
 * @throws LifeboatError `dump-failed` with what pg_dump said, `scratch-full`, `cancelled`.
 */
export async function* dumpEntries(job: DumpJob): AsyncGenerator<SourceEntry, number> {
  return job.options.jobs > 1 ? yield* directoryDump(job) : yield* streamedDump(job);
}

async function* streamedDump(job: DumpJob): AsyncGenerator<SourceEntry, number> {
  const tool = streamTool(toolCommand(job, null));
  let bytes = 0;
  async function* content(): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of tool.bytes) {
        bytes += piece.length;
        yield piece;
      }
    } catch (error) {
      throw dumpFailure(what(job), error);
    }
  }
  try {
    yield entryOf(job.path, { kind: 'stream', bytes: content(), chunking: chunkingOf(job) });
    return bytes;
  } finally {
    tool.close();
  }
}

const chunkingOf = ({ chunkBytes }: DumpJob): Chunking => ({
  kind: 'content-defined',
  averageBytes: chunkBytes,
});

async function* directoryDump(job: DumpJob): AsyncGenerator<SourceEntry, number> {
  const { jobs, scratch, selection } = job.options;
  const bytesNeeded = selection.schemaOnly ? 0 : job.database.databaseBytes;
  const folder = makeScratch(`${what(job)} with ${jobs} jobs`, bytesNeeded, scratch);
  try {
    const target = join(folder, 'dump');
    const tool = streamTool(toolCommand(job, target));
    try {
      for await (const _ of tool.bytes) {
        // Everything goes to the folder; reading to the end is waiting for it.
      }
    } catch (error) {
      throw dumpFailure(what(job), error);
    } finally {
      tool.close();
    }
    let bytes = 0;
    for (const name of readdirSync(target).sort()) {
      const file = join(target, name);
      const { size, mtimeMs } = statSync(file);
      const content: Content =
        size <= smallFileBytes
          ? { kind: 'bytes', bytes: readFileSync(file) }
          : {
              kind: 'stream',
              bytes: createReadStream(file, { highWaterMark: readBytes }),
              chunking: chunkingOf(job),
            };
      yield entryOf(`${job.path}/${name}`, content, mtimeMs);
      bytes += size;
    }
    return bytes;
  } finally {
    removeScratch(folder);
  }
}
