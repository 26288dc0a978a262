import { randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { dirname } from 'node:path';
import { bytesOfText } from '../../core/bytestring.ts';
import { makeFolders } from '../../core/folders.ts';

/** One line that a cache remembers. A note that cannot be read or written was never made. */

export async function readNote(path: string): Promise<string | null> {
  try {
    return (await fs.readFile(path, 'utf8')).trim();
  } catch {
    return null; // only speed is lost, and the cache itself says what is wrong with its folder
  }
}

export async function writeNote(path: string, line: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    makeFolders(bytesOfText(dirname(path)), 0o700);
    await fs.writeFile(temporary, `${line}\n`, { mode: 0o600 });
    await fs.rename(temporary, path);
  } catch {
    await fs.rm(temporary, { force: true }).catch(() => undefined); // as above
  }
}
