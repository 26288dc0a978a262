import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommandResult, runForTest } from '../../src/cli/testing.ts';
import { journalPlaces } from '../../src/engine/journal/journal-places.ts';
import { savePiece } from '../../src/journal/save.ts';
import { segmentAt, segmentName } from '../../src/model/wal.ts';
import { openRepository, type Repository } from '../../src/repository/repository.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { createCheapRepository, testPassword } from '../repositories/cheap.ts';

/** A configuration with a source of files, one with a journal, and repositories that cost nothing to open. */
export interface CopiesSandbox {
  readonly folder: string;
  /** A file of the configuration's folder. */
  path(name: string): string;
  /** Runs a command with the configuration. */
  run(...args: string[]): Promise<CommandResult>;
  /** As `run`; must succeed. @returns what was printed. */
  ok(...args: string[]): Promise<string>;
  /** Writes the configuration anew. */
  configure(repositories: Readonly<Record<string, string>>, protect: string): void;
  open(storage: Storage | string): Promise<Repository>;
  create(storage: Storage | string): Promise<Repository>;
  /** Stores log of the source `app-db` from one position to another, not across a segment. */
  storeLog(repository: Repository, from: number, to: number): Promise<void>;
  env: Record<string, string>;
  remove(): void;
}

export const stream = { source: 'app-db', stream: '7301234567890123456' };
export const segmentBytes = 2 ** 20;

const logByte = (at: number): number => (at * 31 + (at >> 8)) & 0xff;

export function logBytes(from: number, to: number): Buffer {
  return Buffer.from(Array.from({ length: to - from }, (_, n) => logByte(from + n)));
}

export function copiesSandbox(name: string): CopiesSandbox {
  const folder = mkdtempSync(join(tmpdir(), `copies-${name}-`));
  const path = (file: string): string => join(folder, file);
  const env: Record<string, string> = { PW: testPassword, XDG_STATE_HOME: path('state'), HOME: folder };
  const storageOf = (storage: Storage | string): Storage =>
    typeof storage === 'string' ? localStorage(path(storage)) : storage;
  mkdirSync(path('files'));
  writeFileSync(path('files/a'), 'first');

  async function run(...args: string[]): Promise<CommandResult> {
    return runForTest(['--config', path('lifeboat.yaml'), '--no-cache', ...args], { env });
  }
  return {
    folder,
    path,
    run,
    env,
    async ok(...args) {
      const { status, stdout, stderr } = await run(...args);
      if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}\n${stdout}${stderr}`);
      return stdout;
    },
    configure(repositories, protect) {
      const lines = Object.entries(repositories).map(
        ([key, facts]) => `  ${key}: { ${facts}, password: env:PW }`,
      );
      writeFileSync(
        path('lifeboat.yaml'),
        `version: 1
repositories:
${lines.join('\n')}
sources:
  uploads: { type: files, paths: [files] }
  app-db: { type: postgres, url: "postgresql://localhost:1/x", method: physical, journal: {} }
protect:
  - ${protect}
`,
      );
    },
    open: (storage) => openRepository(storageOf(storage), testPassword),
    create: (storage) => createCheapRepository(storageOf(storage)),
    async storeLog(repository, from, to) {
      const unit = segmentName(segmentAt(1, BigInt(from), segmentBytes), segmentBytes);
      const { places, close } = journalPlaces([{ name: 'test', repository }], { threads: 0 });
      const facts = {
        unit,
        from: from % segmentBytes,
        unitBytes: segmentBytes,
        lastCommitMs: Date.now(),
        sentMs: Date.now(),
      };
      await savePiece(places[0]!, stream, facts, logBytes(from, to));
      await close();
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
