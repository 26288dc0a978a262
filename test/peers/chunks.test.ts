import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { cutAlike } from '../interop/chunks.ts';
import { lifeboat, newestRestic } from '../programs.ts';

const scratch = mkdtempSync(join(tmpdir(), 'chunks-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

cutAlike(lifeboat(), newestRestic, scratch);
