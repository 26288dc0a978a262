import { type ErrorCode, LifeboatError } from '../../core/errors.ts';
import { runBounded } from '../../core/run-bounded.ts';
import { type HttpAnswer, type HttpRequest, type HttpSettings, httpClient } from '../http.ts';
import { checkKey, checkPrefix } from '../key.ts';
import type { Storage } from '../storage.ts';
import { formatRestLocation, type RestLocation } from './location.ts';
import {
  extensionHeader,
  extensionPrefix,
  isRestType,
  keyOfPath,
  type ListedObject,
  mediaTypeV2,
  pathOfKey,
  type RestType,
  refusalHeader,
} from './protocol.ts';

export const restConnectionsDefault = 5;

export interface RestSettings extends HttpSettings {
  readonly user: string | null;
  /** Asked for with each request. */
  readonly password: (() => Promise<string>) | null;
}

const objectBytesMax = 2 * 1024 ** 3;
const listBytesMax = 512 * 1024 ** 2;

type Action = 'create' | 'read' | 'write' | 'list' | 'inspect' | 'delete';

const codeByStatus: Readonly<Record<number, ErrorCode>> = {
  401: 'storage-credentials',
  403: 'storage-denied',
  404: 'storage-missing-file',
  405: 'storage-denied',
  413: 'storage-full',
  429: 'storage-throttled',
  503: 'storage-throttled',
  507: 'storage-full',
};

/** A repository on a server that speaks restic's REST protocol, such as rest-server or `lifeboat serve`. */
export function restStorage(location: RestLocation, settings: RestSettings): Storage & { close(): void } {
  const base = location.url;
  const shown = formatRestLocation(location);
  const { user, password } = settings;
  const client = httpClient(base.protocol === 'https:', settings, async () => {
    if (user === null && password === null) return {};
    const login = `${user ?? ''}:${(await password?.()) ?? ''}`;
    return { authorization: `Basic ${Buffer.from(login).toString('base64')}` };
  });
  const urlOf = (path: string): URL => new URL(path, base);
  const send = (
    method: HttpRequest['method'],
    path: string,
    more: Partial<Omit<HttpRequest, 'method' | 'url'>> = {},
  ): Promise<HttpAnswer> => client.send({ method, url: urlOf(path), bodyBytesMax: objectBytesMax, ...more });

  function failure(action: Action, what: string, answer: HttpAnswer): LifeboatError {
    const { status, headers } = answer;
    const refusal = headers[refusalHeader];
    const message = `cannot ${action} ${what} at ${shown}: `;
    if (refusal === 'append-only' || (status === 403 && action === 'delete'))
      return new LifeboatError('storage-append-only', `${message}the server only takes additions`);
    if (status === 401) {
      const why = user === null ? 'the server wants a user and a password' : 'user or password are wrong';
      return new LifeboatError('storage-credentials', message + why, {
        hint: 'check LIFEBOAT_REST_USERNAME and LIFEBOAT_REST_PASSWORD (or RESTIC_REST_…), or those of the configuration',
      });
    }
    const code = codeByStatus[status] ?? 'storage-failed';
    const absent = code === 'storage-missing-file' && (action === 'write' || action === 'create');
    if (status >= 300 && status < 400)
      return new LifeboatError('storage-settings', `${message}the server sends elsewhere`, {
        hint: 'write the address that the server names into the location',
      });
    const said = status === 400 ? `: ${answer.body.toString('utf8', 0, 200).trim()}` : '';
    return new LifeboatError(
      absent ? 'storage-failed' : code,
      `${message}the server answers ${status}${said}`,
    );
  }

  const pathOfList = (prefix: string): string => (isExtension(prefix) ? pathOfKey(prefix) : prefix);
  const isExtension = (key: string): boolean => key.startsWith(extensionPrefix);
  const knowsExtension = ({ headers }: HttpAnswer): boolean => headers[extensionHeader] !== undefined;
  /** Whether an answer about an extended object tells that the server has no such objects, so that none are there. */
  const isForeign = (key: string, answer: HttpAnswer): boolean =>
    isExtension(key) && !knowsExtension(answer) && [400, 404, 405].includes(answer.status);

  async function size(key: string): Promise<number | null> {
    checkKey(key);
    const answer = await send('HEAD', pathOfKey(key));
    if (answer.status === 404 || isForeign(key, answer)) return null;
    if (answer.status !== 200) throw failure('inspect', key, answer);
    const length = Number(answer.headers['content-length'] ?? Number.NaN);
    if (Number.isSafeInteger(length)) return length;
    throw new LifeboatError('storage-failed', `${shown} does not say how large ${key} is`);
  }

  async function save(key: string, parts: readonly Uint8Array[]): Promise<void> {
    checkKey(key);
    const answer = await send('POST', pathOfKey(key), { parts });
    if (answer.status === 200 || answer.status === 201) return;
    if (isForeign(key, answer)) {
      throw new LifeboatError(
        'storage-journal-refused',
        `${shown} takes only what restic stores, and ${key} is none of that`,
      );
    }
    if (answer.status === 403 && answer.headers[refusalHeader] !== 'append-only') {
      // Servers refuse to store an object twice. Names are hashes, so the same name and size are the same content:
      // an earlier request got through, and its answer was lost.
      const length = parts.reduce((sum, part) => sum + part.length, 0);
      if (key !== 'config' && (await size(key)) === length) return;
    }
    throw failure('write', key, answer);
  }

  async function load(key: string, range?: { offset: number; length: number }): Promise<Buffer> {
    checkKey(key);
    if (range?.length === 0) {
      if ((await size(key)) === null) throw absent(key);
      return Buffer.alloc(0);
    }
    const headers = range ? { range: `bytes=${range.offset}-${range.offset + range.length - 1}` } : {};
    const answer = await send('GET', pathOfKey(key), { headers });
    if (answer.status === 206 && range) return answer.body;
    if (answer.status === 416) return Buffer.alloc(0);
    if (isForeign(key, answer)) throw absent(key);
    if (answer.status !== 200) throw failure('read', key, answer);
    return range ? answer.body.subarray(range.offset, range.offset + range.length) : answer.body;
  }

  const absent = (key: string): LifeboatError =>
    new LifeboatError('storage-missing-file', `there is no ${key} at ${shown}`);

  async function listObjects(path: string): Promise<readonly ListedObject[]> {
    const answer = await send('GET', pathOfList(path), {
      headers: { accept: mediaTypeV2 },
      bodyBytesMax: listBytesMax,
    });
    if (answer.status === 404 || isForeign(path, answer)) return [];
    if (answer.status !== 200) throw failure('list', path, answer);
    const isV2 = String(answer.headers['content-type'] ?? '').startsWith(mediaTypeV2);
    return isV2 ? parsedList(answer.body, path) : withSizes(parsedNames(answer.body, path), path);
  }

  /** Of servers that do not tell sizes in lists. */
  async function withSizes(names: readonly string[], path: string): Promise<ListedObject[]> {
    const found: ListedObject[] = [];
    let next = 0;
    await runBounded(settings.connections, () => {
      const name = names[next++];
      if (name === undefined) return null;
      return size(path.startsWith('data/') ? keyOfPath('data', name) : path + name).then((bytes) => {
        if (bytes !== null) found.push({ name, size: bytes });
      });
    });
    return found;
  }

  function badList(path: string): LifeboatError {
    return new LifeboatError('storage-failed', `${shown}: the list of ${path} cannot be understood`);
  }

  function parsedList(body: Buffer, path: string): ListedObject[] {
    const list = parsedJson(body, path);
    return list.map((entry) => {
      const { name, size: bytes } = entry as { name?: unknown; size?: unknown };
      if (typeof name !== 'string' || typeof bytes !== 'number') throw badList(path);
      return { name, size: bytes };
    });
  }

  function parsedNames(body: Buffer, path: string): string[] {
    const list = parsedJson(body, path);
    if (!list.every((name) => typeof name === 'string')) throw badList(path);
    return list;
  }

  function parsedJson(body: Buffer, path: string): unknown[] {
    let value: unknown;
    try {
      value = JSON.parse(body.toString('utf8')) ?? [];
    } catch {
      throw badList(path);
    }
    if (!Array.isArray(value)) throw badList(path);
    return value;
  }

  return {
    location: shown,
    connections: settings.connections,
    async create() {
      const answer = await send('POST', '?create=true', { parts: [] });
      if (answer.status !== 200) throw failure('create', 'the repository', answer);
    },
    save,
    load,
    size,
    async list(prefix) {
      checkPrefix(prefix);
      const type = prefix.slice(0, prefix.indexOf('/'));
      if (isRestType(type)) {
        const objects = await listObjects(`${type}/`);
        return objects
          .map(({ name, size: bytes }) => ({ key: keyOfPath(type satisfies RestType, name), size: bytes }))
          .filter(({ key }) => key.startsWith(prefix));
      }
      if (!isExtension(prefix)) return [];
      return (await listObjects(prefix)).map(({ name, size: bytes }) => ({
        key: prefix + name,
        size: bytes,
      }));
    },
    async remove(key) {
      checkKey(key);
      const answer = await send('DELETE', pathOfKey(key));
      if (answer.status === 200 || answer.status === 204) return;
      if (isForeign(key, answer)) throw absent(key);
      throw failure('delete', key, answer);
    },
    localPath(key) {
      checkKey(key);
      return null;
    },
    close: client.close,
  };
}
