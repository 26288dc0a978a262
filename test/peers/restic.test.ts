import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { interplayBothWays } from '../interop/interplay.ts';
import { lifeboat, newestRestic } from '../programs.ts';

const scratch = mkdtempSync(join(tmpdir(), 'peers-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

interplayBothWays(lifeboat(), newestRestic, scratch);
