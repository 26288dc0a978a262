import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { lifeboat, systemRestic } from '../programs.ts';
import { interplayBothWays } from './interplay.ts';

const scratch = mkdtempSync(join(tmpdir(), 'interop-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

interplayBothWays(lifeboat(), systemRestic, scratch);
