import {
  extensionPrefix,
  extensionSegment,
  isRestType,
  keyOfPath,
  type RestType,
} from '../../storage/rest/protocol.ts';

/** What a path asks for (restic doc/REST_backend.rst). A path is untrusted: whatever is not expected is nothing. */

export type Route = { readonly repository: readonly string[] } & (
  | { readonly kind: 'repository' }
  | { readonly kind: 'list'; readonly type: RestType }
  | { readonly kind: 'object'; readonly key: string; readonly type: RestType; readonly name: string }
  | { readonly kind: 'config' }
  /** `prefix` ends in a slash. */
  | { readonly kind: 'extension-list'; readonly prefix: string }
  | { readonly kind: 'extension-object'; readonly key: string }
);

const foldersMax = 8;
const segmentsMax = 24;
const pathCharactersMax = 2048;
/** Names of folders and of extended objects: nothing that a file system or a shell takes for something else. */
const safeName = /^[A-Za-z0-9_@][A-Za-z0-9._@+=-]{0,199}$/;
const idPattern = /^[0-9a-f]{64}$/;

export function isSafeFolder(name: string): boolean {
  return safeName.test(name) && !isRestType(name) && name !== 'config';
}

/** @param path of a URL, undecoded and without its query; null for what no server of this kind has. */
export function routeOf(path: string): Route | null {
  const segments = segmentsOf(path);
  if (!segments) return null;
  const isFolder = segments.at(-1) === '';
  if (isFolder) segments.pop();
  const cut = segments.findIndex((name) => !isSafeFolder(name));
  const repository = cut < 0 ? segments : segments.slice(0, cut);
  if (repository.length > foldersMax) return null;
  if (cut < 0) return isFolder ? { kind: 'repository', repository } : null;
  const [head, ...rest] = segments.slice(cut) as [string, ...string[]];
  if (head === 'config') return rest.length === 0 && !isFolder ? { kind: 'config', repository } : null;
  if (head === extensionSegment) return extended(repository, rest, isFolder);
  if (!isRestType(head)) return null;
  if (isFolder) return rest.length === 0 ? { kind: 'list', repository, type: head } : null;
  const [name] = rest;
  if (rest.length !== 1 || !name || !idPattern.test(name)) return null;
  return { kind: 'object', repository, key: keyOfPath(head, name), type: head, name };
}

function segmentsOf(path: string): string[] | null {
  if (!path.startsWith('/') || path.length > pathCharactersMax) return null;
  const segments: string[] = [];
  for (const segment of path.slice(1).split('/')) {
    try {
      segments.push(decodeURIComponent(segment));
    } catch {
      return null; // no UTF-8
    }
  }
  // An empty one is the end of a folder, or the root itself.
  if (segments.slice(0, -1).includes('') || segments.length > segmentsMax) return null;
  return segments;
}

function extended(repository: readonly string[], names: readonly string[], isFolder: boolean): Route | null {
  if (!names.every((name) => safeName.test(name) && !name.includes('-tmp-'))) return null;
  const key = extensionPrefix + names.join('/');
  if (isFolder) return { kind: 'extension-list', repository, prefix: names.length === 0 ? key : `${key}/` };
  return names.length > 0 ? { kind: 'extension-object', repository, key } : null;
}
