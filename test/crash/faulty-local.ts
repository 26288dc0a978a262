/** Stands in for the local storage in src/app: repositories with a script get their faults, the others none. */
import { registerHooks } from 'node:module';
import { localStorage as soundStorage } from '../../src/storage/local/local.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { type Fault, type FaultyStorage, faultyStorage } from './faulty-storage.ts';

const scripted = new Map<string, FaultyStorage>();

/** From now on whoever opens the repository at this path in this process meets these faults. */
export function scriptFaults(path: string, faults: readonly Fault[]): FaultyStorage {
  const storage = faultyStorage(soundStorage(path), faults);
  scripted.set(path, storage);
  return storage;
}

export function forgetFaults(path: string): void {
  scripted.delete(path);
}

export function localStorage(path: string): Storage {
  return scripted.get(path) ?? soundStorage(path);
}

const driver = new URL('../../src/storage/local/local.ts', import.meta.url).href;
const user = new URL('../../src/app/connect.ts', import.meta.url).href;

registerHooks({
  resolve(specifier, context, nextResolve) {
    const resolved = nextResolve(specifier, context);
    return resolved.url === driver && context.parentURL === user
      ? { ...resolved, url: import.meta.url }
      : resolved;
  },
});
