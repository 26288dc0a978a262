import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createCluster } from './cluster.ts';
import { missingServer, type Server } from './programs.ts';

describe('a cluster of the tests', () => {
  for (const server of ['debian', 'newest'] satisfies Server[]) {
    test(`of the ${server} server starts, answers, crashes and recovers`, {
      skip: missingServer(server),
    }, async (t) => {
      const cluster = await createCluster({ server, initdb: ['--data-checksums'] });
      t.after(() => cluster.destroy());
      await cluster.start();
      await cluster.sql(
        'create table t as select generate_series(1, 10) as n; checkpoint; insert into t values (11)',
      );
      await cluster.stop('immediate');
      await cluster.start();
      assert.equal(await cluster.sql('select count(*) from t'), '11');
    });
  }
});
