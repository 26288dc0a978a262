import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { checkout, NotMeasured } from '../settings.ts';
import { hintVariable, keyHint } from './keys.ts';
import { benchPassword, type Program } from './program.ts';

export const launcher = join(checkout, 'bin', 'lifeboat');

/** Whether a source is newer than the built program. */
function isStale(): boolean {
  const built = join(checkout, 'dist', 'lifeboat.js');
  if (!existsSync(built)) return true;
  const builtMs = statSync(built).mtimeMs;
  const sources = globSync(['src/**/*.ts', 'assembly/**', 'scripts/build.mjs', 'package.json'], {
    cwd: checkout,
  });
  return sources.some(
    (path) =>
      !path.endsWith('.test.ts') &&
      (statSync(join(checkout, path), { throwIfNoEntry: false })?.mtimeMs ?? 0) > builtMs,
  );
}

/** Builds dist/ where the sources are newer. @throws NotMeasured when it cannot be built. */
export function build(say: (text: string) => void): void {
  if (!isStale()) return;
  say('building Lifeboat');
  const { status, stderr } = spawnSync(process.execPath, ['scripts/build.mjs'], {
    cwd: checkout,
    encoding: 'utf8',
  });
  if (status !== 0) throw new NotMeasured(`Lifeboat cannot be built: ${stderr.trim().split('\n')[0]}`);
}

/** The commit that is measured, marked where the program's sources differ from it. */
export function commit(): string {
  const git = (...args: string[]): string =>
    spawnSync('git', args, { cwd: checkout, encoding: 'utf8' }).stdout?.trim() ?? '';
  const changed = git('status', '--porcelain', '--', 'src', 'assembly', 'bin', 'package.json') !== '';
  return (git('rev-parse', '--short', 'HEAD') || 'unknown') + (changed ? ' with changes' : '');
}

/** The built program. Its cache, if any, is below `folder`, never the user's. */
export function lifeboat(folder: string): Program {
  const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { version: string };
  return {
    name: `Lifeboat ${version}`,
    command: (repository, ...args) => ({
      file: launcher,
      args: [...args, '--repo', repository],
      env: {
        LIFEBOAT_PASSWORD: benchPassword,
        XDG_CACHE_HOME: join(folder, 'cache'),
        ...hintVariable('LIFEBOAT_KEY_HINT', keyHint(repository, true)),
      },
    }),
  };
}
