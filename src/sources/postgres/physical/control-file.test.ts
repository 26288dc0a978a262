import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createCluster } from '../../../../test/postgres/cluster.ts';
import { missingServer, type Server } from '../../../../test/postgres/programs.ts';
import { crc32c, isWholeControlFile, readControlFile, systemIdentifierOf } from './control-file.ts';

test('CRC-32C of the check string is the one that the catalogue of CRCs gives', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
});

describe('the control file', () => {
  for (const server of ['debian', 'newest'] satisfies Server[]) {
    test(`of the ${server} server is whole, and one changed byte is noticed`, {
      skip: missingServer(server),
    }, async (t) => {
      const cluster = await createCluster({ server });
      t.after(() => cluster.destroy());
      const bytes = readFileSync(join(cluster.data, 'global', 'pg_control'));
      assert.deepEqual(await readControlFile(cluster.data), bytes);
      for (const place of [0, 8, 64, 150, 199]) {
        const changed = Buffer.from(bytes);
        changed[place]! ^= 1;
        assert.equal(isWholeControlFile(changed), false, `byte ${place}`);
      }
      assert.equal(isWholeControlFile(Buffer.alloc(8192)), false);
      assert.match(systemIdentifierOf(bytes), /^\d{18,20}$/);
    });
  }
});
