import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gatewayMissing, joinGateway } from '../../test/s3/gateway.ts';
import { connectTo, makeBucket } from '../../test/s3/place.ts';
import { countRequests, type Requests } from '../measure/requests.ts';
import { NotMeasured } from '../settings.ts';
import type { Place } from './place.ts';
import { relayTo } from './relay.ts';

const bucket = 'bench';
let places = 0;

/**
 * A bucket of Ceph's gateway, which keeps everything in memory: a gateway and a cluster of their own for each
 * place, so that none pays for what was deleted before.
 *
 * @throws NotMeasured where there is no gateway.
 */
export async function s3Place(delayMs: number): Promise<Place> {
  if (gatewayMissing) throw new NotMeasured(gatewayMissing);
  const gateway = await joinGateway(`-bench-${process.pid}-${++places}`);
  const { accessKey, secretKey } = gateway;
  await makeBucket(gateway, bucket);
  const near = new URL(gateway.endpoint);
  const relay = delayMs > 0 ? await relayTo(Number(near.port), 'requests', delayMs) : null;
  const endpoint = `http://127.0.0.1:${relay?.port ?? near.port}`;
  const requests = requestLog(join(gateway.folder, 'client.rgw.log'));
  return {
    location: (name) => `s3:${endpoint}/${bucket}/${name}`,
    options: { lifeboat: [], restic: [] },
    near: {
      location: (name) => `s3:${gateway.endpoint}/${bucket}/${name}`,
      options: { lifeboat: [], restic: [] },
    },
    env: { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey },
    async put(repository, name) {
      const storage = connectTo(gateway, `${bucket}/${name}`);
      for (const entry of await readdir(repository, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const path = join(entry.parentPath, entry.name);
        await storage.save(path.slice(repository.length + 1), [await readFile(path)]);
      }
    },
    async remove(name) {
      const storage = connectTo(gateway, bucket);
      for (const { key } of await storage.list(`${name}/`)) await storage.remove(key);
    },
    requests,
    async close() {
      relay?.close();
      gateway.release();
    },
  };
}

/** The gateway writes its log a moment after it answers. */
const settledMs = 100;

/** Counts what was added to the log since the last call. */
function requestLog(path: string): () => Promise<Requests> {
  let read = 0;
  return async () => {
    const file = openSync(path, 'r');
    try {
      let { size } = fstatSync(file);
      for (let before = -1; before !== size; { size } = fstatSync(file)) {
        before = size;
        await sleep(settledMs);
      }
      const added = Buffer.alloc(size - read);
      readSync(file, added, 0, added.length, read);
      read = size;
      return countRequests(added.toString('latin1'));
    } finally {
      closeSync(file);
    }
  };
}
