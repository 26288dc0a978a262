import { LifeboatError } from '../../core/errors.ts';
import type { Repository } from '../../repository/repository.ts';
import { type ExportManifest, parseManifest, type VolumeHead } from '../export/manifest.ts';
import { manifestName } from '../export/names.ts';
import { type ByteInput, openFileInput } from './byte-input.ts';
import { type Entry, readVolume } from './entry-reader.ts';
import { createExportedStorage } from './exported-storage.ts';
import { readVolumeHead } from './volume-files.ts';

/** What the beginning of a volume tells. */
export interface VolumeLook {
  readonly name: string;
  readonly head: VolumeHead;
  /** Only the first volume has it, with config and keys. */
  readonly start: { readonly manifest: ExportManifest; readonly storage: Repository['storage'] } | null;
}

/** Ends the reading of a volume of which enough was seen. */
const seen = Symbol('seen enough');

/** @throws LifeboatError `export-damaged`, `export-version`, `source-unreadable`. */
export async function lookAtFile(path: string): Promise<VolumeLook> {
  const { head } = await readVolumeHead(path);
  if (head !== null && head.volume !== 1) return { name: path, head, start: null };
  return lookAt(await openFileInput(path));
}

/** Reads up to the first pack of a first volume, and closes the input. @throws as `lookAtFile`. */
export async function lookAt(input: ByteInput): Promise<VolumeLook> {
  let start: VolumeLook['start'] = null;
  let exported: ReturnType<typeof createExportedStorage> | null = null;

  async function found({ name, what, bytes }: Entry): Promise<void> {
    if (what.kind === 'manifest' && exported === null) {
      const manifest = parseManifest(bytes, `${manifestName} of ${input.name}`);
      exported = createExportedStorage(`the export ${manifest.set.slice(0, 8)}`);
      start = { manifest, storage: exported.storage };
    } else if (exported !== null && (what.kind === 'config' || what.kind === 'keys')) {
      exported.add(name, { kind: 'memory', bytes });
    } else throw seen;
  }

  try {
    await readVolume(input, null, found);
  } catch (error) {
    if (error !== seen) throw error;
  } finally {
    await input.close();
  }
  const look = start as VolumeLook['start'];
  if (look === null)
    throw new LifeboatError('export-incomplete', `${input.name} does not begin with the first volume`);
  return { name: input.name, head: { set: look.manifest.set, volume: 1, previous: null }, start: look };
}
