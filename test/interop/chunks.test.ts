import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { lifeboat, systemRestic } from '../programs.ts';
import { cutAlike } from './chunks.ts';

const scratch = mkdtempSync(join(tmpdir(), 'chunks-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

cutAlike(lifeboat(), systemRestic, scratch);
