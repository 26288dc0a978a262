import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ExportReport, executeExport } from '../../src/engine/export/execute.ts';
import { type PrepareExportOptions, prepareExport } from '../../src/engine/export/prepare.ts';
import type { VolumeOutput } from '../../src/engine/export/volume-output.ts';
import { type ByteInput, streamInput } from '../../src/engine/import/byte-input.ts';
import { type ImportReport, type ImportRequest, importExport } from '../../src/engine/import/import.ts';
import type { StoredSnapshot } from '../../src/model/snapshot.ts';
import { openRepository, type Repository } from '../../src/repository/repository.ts';
import { listSnapshots } from '../../src/repository/snapshots.ts';
import { type MemoryStorage, memoryStorage } from '../damage/memory-storage.ts';
import { backUp, smallPackBytes } from '../repositories/backup.ts';
import { createCheapRepository, testPassword } from '../repositories/cheap.ts';

/** Exports and imports without a disk. */

export interface Source {
  readonly storage: MemoryStorage;
  readonly repository: Repository;
  /** Oldest first. The second one shares most files with the first. */
  readonly snapshots: readonly StoredSnapshot[];
}

const noise = (seed: number, bytes: number): Buffer => {
  const content = Buffer.alloc(bytes);
  let state = seed;
  for (let at = 0; at < bytes; at++) {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    content[at] = state >>> 16;
  }
  return content;
};

/** A repository with two snapshots in packs that both use, or only one of them. */
export async function makeSource(fileBytes = 3000): Promise<Source> {
  const storage = memoryStorage();
  const repository = await createCheapRepository(storage);
  const folder = mkdtempSync(join(tmpdir(), 'export-source-'));
  try {
    mkdirSync(join(folder, 'in'));
    for (let n = 0; n < 6; n++) writeFileSync(join(folder, 'in', `${n}`), noise(n + 1, fileBytes));
    await backUp(repository, folder);
    writeFileSync(join(folder, 'in', '2'), noise(99, fileBytes));
    writeFileSync(join(folder, 'new'), noise(100, fileBytes));
    await backUp(repository, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
  return { storage, repository, snapshots: (await listSnapshots(repository)).snapshots };
}

/** Another repository with the same key and nothing in it. */
export async function emptyTwin({
  storage,
}: Source): Promise<{ storage: MemoryStorage; repository: Repository }> {
  const twin = memoryStorage(
    new Map([...storage.objects].filter(([key]) => key === 'config' || key.startsWith('keys/'))),
  );
  return { storage: twin, repository: await openRepository(twin, testPassword) };
}

export interface MemoryOutput extends VolumeOutput {
  readonly volumes: Buffer[];
  abandoned: boolean;
}

export function memoryOutput(pieceBytes = 10_240): MemoryOutput {
  const volumes: Buffer[] = [];
  const output: MemoryOutput = {
    ...{ volumes, pieceBytes, abandoned: false },
    async open(volume) {
      const pieces: Buffer[] = [];
      return {
        name: `volume-${volume}`,
        write: async (bytes) => void pieces.push(Buffer.from(bytes)),
        finish: async () => void volumes.push(Buffer.concat(pieces)),
      };
    },
    async abandon() {
      output.abandoned = true;
      return null;
    },
  };
  return output;
}

export interface Exported {
  readonly report: ExportReport;
  readonly volumes: readonly Buffer[];
}

export async function exportOf(
  repository: Repository,
  snapshots: readonly StoredSnapshot[],
  options: Partial<PrepareExportOptions> & {
    volumeBytes?: number;
    recordBytes?: number;
    output?: MemoryOutput;
  } = {},
): Promise<Exported> {
  const { volumeBytes = null, recordBytes = 10_240, ...given } = options;
  const { output = memoryOutput(recordBytes) } = options;
  const chosen = { wholePacks: false, withJournals: false, packBytes: smallPackBytes, ...given };
  const { index, plan } = await prepareExport(repository, snapshots, chosen);
  const report = await executeExport(repository, index, plan, {
    ...{ output, recordBytes, volumeBytes },
    program: 'lifeboat test',
    packBytes: smallPackBytes,
  });
  return { report, volumes: output.volumes };
}

/** One medium after another. */
export function inputsOf(volumes: readonly Uint8Array[]): () => Promise<ByteInput | null> {
  const left = volumes.map((bytes, at) => streamInput(`medium ${at + 1}`, inChunks(bytes)));
  return async () => left.shift() ?? null;
}

async function* inChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += 5000) yield bytes.subarray(at, at + 5000);
}

/** Imports from media that can be read only once. */
export function importOf(
  volumes: readonly Uint8Array[],
  destination: Repository | null,
  more: Partial<ImportRequest> = {},
): Promise<ImportReport> {
  return importExport({
    nextInput: inputsOf(volumes),
    canReadAgain: false,
    destination,
    verifyOnly: destination === null,
    openWithPassword: (storage) => openRepository(storage, testPassword),
    makeScratch() {
      const path = mkdtempSync(join(tmpdir(), 'export-scratch-'));
      return { path, remove: () => rmSync(path, { recursive: true }) };
    },
    packBytes: smallPackBytes,
    ...more,
  });
}
