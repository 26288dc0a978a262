import { setTimeout as sleep } from 'node:timers/promises';
import type { Storage } from '../../src/storage/storage.ts';
import type { Gateway } from './gateway.ts';

/**
 * Has the gateway carry out a bucket's lifecycle now, with days that pass in seconds, until an object is in a class.
 * It passes over what another run is at, so it may need to be told again.
 */
export async function runLifecycle(
  gateway: Gateway,
  bucket: string,
  { storage, key, storageClass }: { storage: Storage; key: string; storageClass: string },
): Promise<void> {
  for (let n = 0; n < 3; n++) {
    await gateway.admin('lc', 'process', '--bucket', bucket, '--rgw-lc-debug-interval=1');
    if ((await storage.archive!.state(key)).storageClass === storageClass) return;
    await sleep(200);
  }
  throw new Error(`the gateway does not move ${key} to ${storageClass}`);
}
