import { LifeboatError } from '../../core/errors.ts';
import { type Id, isId } from '../../model/id.ts';
import type { BlobIndex } from '../../repository/index/blob-index.ts';
import type { BlobType } from '../../repository/index/table.ts';
import type { FileKind } from '../../repository/layout.ts';
import { listFiles, type Repository } from '../../repository/repository.ts';

const names: Readonly<Record<FileKind, string>> = {
  keys: 'key',
  locks: 'lock',
  snapshots: 'snapshot',
  index: 'index file',
  data: 'pack',
};

/**
 * The file of a kind that an ID or the beginning of one names.
 * @throws LifeboatError `object-missing` where none or several fit.
 */
export async function findFile(repository: Repository, kind: FileKind, text: string): Promise<Id> {
  const given = text.toLowerCase();
  const fitting = (await listFiles(repository.storage, kind)).filter(({ id }) => id.startsWith(given));
  return only(
    fitting.map(({ id }) => id),
    names[kind],
    text,
  );
}

/** The blob that an ID or the beginning of one names. @throws LifeboatError `object-missing`. */
export function findBlob(index: BlobIndex, text: string): { readonly type: BlobType; readonly id: Id } {
  const given = text.toLowerCase();
  if (isId(given)) {
    const types = (['data', 'tree'] as const).filter((type) => index.find(type, given) !== null);
    if (types[0]) return { type: types[0], id: given };
  }
  const fitting = new Map<string, { readonly type: BlobType; readonly id: Id }>();
  for (let entry = 0; entry < index.table.count(); entry++) {
    const { type, id } = index.blobAt(entry);
    if (id.startsWith(given)) fitting.set(id, { type, id });
  }
  const id = only(
    [...fitting.values()].map((blob) => blob.id),
    'blob',
    text,
  );
  return fitting.get(id)!;
}

function only(fitting: readonly Id[], what: string, text: string): Id {
  const [found] = fitting;
  const shown = JSON.stringify(text);
  if (text === '' || found === undefined)
    throw new LifeboatError('object-missing', `no ${what} has an ID that begins with ${shown}`);
  if (fitting.length > 1) {
    const some = fitting.map((id) => id.slice(0, text.length + 4)).slice(0, 3);
    throw new LifeboatError(
      'object-missing',
      `${fitting.length} ${what}s have an ID that begins with ${shown}: ${some.join(', ')}`,
      { hint: 'give more digits of the ID' },
    );
  }
  return found;
}
