import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createPageVerifier, pageChecksum } from '../../src/kernels/page-checksum.ts';
import { createCluster } from './cluster.ts';
import { missingServer, type Server } from './programs.ts';

const pageBytes = 8192;
const never = 1n << 63n;

for (const server of ['debian', 'newest'] satisfies Server[]) {
  test(`checksums are those of the ${server} server, for every page of a cluster`, {
    skip: missingServer(server),
  }, async (t) => {
    const cluster = await createCluster({ server, initdb: ['--data-checksums'] });
    t.after(() => cluster.destroy());
    let pages = 0;
    for (const folder of [join(cluster.data, 'global'), join(cluster.data, 'base', '1')]) {
      for (const name of readdirSync(folder)) {
        if (!/^\d+(_[a-z]+)?$/.test(name)) continue;
        const bytes = readFileSync(join(folder, name));
        const count = bytes.length / pageBytes;
        const verifier = createPageVerifier(Math.max(1, bytes.length));
        verifier.input.set(bytes);
        assert.deepEqual(verifier.verify(count, pageBytes, 0, never), [], name);
        pages += count;
      }
    }
    assert.ok(pages > 500, `${pages} pages`);
  });
}

test('what the server calls damaged is found, with the numbers that it names', {
  skip: missingServer('debian'),
}, async (t) => {
  const cluster = await createCluster({ initdb: ['--data-checksums'] });
  t.after(() => cluster.destroy());
  await cluster.start();
  await cluster.sql(
    'create table t as select n, repeat(md5(n::text), 20) as text from generate_series(1, 2000) n',
  );
  const path = join(cluster.data, (await cluster.sql(`select pg_relation_filepath('t')`)).trim());
  await cluster.stop();
  const bytes = readFileSync(path);
  const block = 17;
  bytes[block * pageBytes + 6000]! ^= 4;
  writeFileSync(path, bytes);
  const verifier = createPageVerifier(bytes.length);
  verifier.input.set(bytes);
  const bad = verifier.verify(bytes.length / pageBytes, pageBytes, 0, never);
  assert.deepEqual(
    bad.map(({ page }) => page),
    [block],
  );
  await cluster.start();
  await assert.rejects(cluster.sql('select sum(n) from t'));
  const [, calculated, expected] = /calculated checksum (\d+) but expected (\d+)/.exec(cluster.log())!;
  assert.deepEqual([bad[0]!.expected, bad[0]!.found].map(String), [calculated, expected]);
  assert.equal(
    pageChecksum(bytes.subarray(block * pageBytes, (block + 1) * pageBytes), block),
    Number(calculated),
  );
});
