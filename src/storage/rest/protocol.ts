/** The REST protocol of restic (restic doc/REST_backend.rst), and how keys of a storage stand in its paths. */

export const mediaTypeV1 = 'application/vnd.x.restic.rest.v1';
/** Lists have sizes. */
export const mediaTypeV2 = 'application/vnd.x.restic.rest.v2';

export const restTypes = ['data', 'keys', 'locks', 'snapshots', 'index'] as const;
export type RestType = (typeof restTypes)[number];

/**
 * Lifeboat's extension: objects whose keys begin with `lifeboat/` are kept like others, as `{path}/.lifeboat/…` under
 * any number of folders, and listed by `GET {path}/.lifeboat/…/` with names that go on from there. The dot keeps them
 * apart from repositories in a folder of this name. A server that knows them says so with this header.
 */
export const extensionPrefix = 'lifeboat/';
export const extensionSegment = '.lifeboat';
export const extensionHeader = 'lifeboat-extension';
export const extensionValue = 'objects';

/** Why a server refuses, where the status alone does not tell. */
export const refusalHeader = 'lifeboat-refusal';
export type Refusal = 'append-only' | 'exists';

/** `data/ab/abcd…` is `data/abcd…` there, and `lifeboat/x` is `.lifeboat/x`; others stand as they are. */
export function pathOfKey(key: string): string {
  if (key.startsWith(extensionPrefix)) return `.${key}`;
  return key.startsWith('data/') ? `data/${key.slice(key.lastIndexOf('/') + 1)}` : key;
}

/** The other way round. */
export function keyOfPath(type: RestType, name: string): string {
  return type === 'data' ? `data/${name.slice(0, 2)}/${name}` : `${type}/${name}`;
}

export function isRestType(text: string): text is RestType {
  return (restTypes as readonly string[]).includes(text);
}

export interface ListedObject {
  readonly name: string;
  readonly size: number;
}
