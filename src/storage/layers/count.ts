import type { Traffic } from '../../model/traffic.ts';
import type { Storage } from '../storage.ts';

export function newTraffic(location: string): Traffic {
  return { location, requests: new Map(), bytesSaved: 0, bytesLoaded: 0 };
}

export function countRequest({ requests }: Traffic, name: string): void {
  requests.set(name, (requests.get(name) ?? 0) + 1);
}

/**
 * Counts into `traffic`; goes directly around a driver, so that each try counts.
 *
 * @param tellsRequests the driver counts its requests itself: an operation may need several.
 */
export function withCounts(storage: Storage, traffic: Traffic, tellsRequests = false): Storage {
  const count = (name: string): void => {
    if (!tellsRequests) countRequest(traffic, name);
  };
  return {
    ...storage,
    create: () => {
      count('create');
      return storage.create();
    },
    save: async (key, parts, facts) => {
      count('save');
      await storage.save(key, parts, facts);
      traffic.bytesSaved += parts.reduce((sum, { length }) => sum + length, 0);
    },
    load: async (key, range) => {
      count('load');
      const bytes = await storage.load(key, range);
      traffic.bytesLoaded += bytes.length;
      return bytes;
    },
    size: (key) => {
      count('size');
      return storage.size(key);
    },
    list: (prefix) => {
      count('list');
      return storage.list(prefix);
    },
    remove: (key) => {
      count('remove');
      return storage.remove(key);
    },
  };
}
