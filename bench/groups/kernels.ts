import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { measure } from '../measure/process.ts';
import { checkout, NotMeasured } from '../settings.ts';

/** The speed of each kernel, as bench/kernels.ts prints it. @throws NotMeasured when it cannot be run. */
export async function kernels(names: readonly string[]): Promise<string> {
  const script = join(checkout, 'bench', 'kernels.ts');
  if (!existsSync(script)) throw new NotMeasured('bench/kernels.ts does not exist');
  const { stdout } = await measure({
    file: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', script, ...names],
    cwd: checkout,
  });
  return stdout;
}
