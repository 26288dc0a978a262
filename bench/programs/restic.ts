import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { peerCache } from '../../scripts/test/peers.ts';
import { hasCommand } from '../../scripts/test/system-packages.ts';
import { NotMeasured } from '../settings.ts';
import { canInstall, install } from './install.ts';
import { hintVariable, keyHint } from './keys.ts';
import { benchPassword, type Program, versionLine } from './program.ts';

/** Who wants another restic says so; else the newest that `npm run test:peers` built; else the system's. */
function findRestic(): string {
  for (const variable of ['LIFEBOAT_BENCH_RESTIC', 'LIFEBOAT_TEST_RESTIC']) {
    const given = process.env[variable];
    if (!given) continue;
    if (!existsSync(given)) throw new NotMeasured(`${variable} names a file that does not exist`);
    return given;
  }
  const built = join(peerCache(), 'restic', 'bin', 'restic');
  if (existsSync(built)) return built;
  if (!hasCommand('restic') && canInstall()) install(['restic']);
  if (!hasCommand('restic')) throw new NotMeasured('restic is not installed');
  return 'restic';
}

/**
 * The peer. Its cache is for repositories elsewhere: of local ones it holds second copies of what restic reads as fast
 * from the repository itself.
 */
export function restic({ withCache = false } = {}): Program {
  const file = findRestic();
  const version = /restic (\S+)/.exec(versionLine(file, 'version'))?.[1] ?? 'of unknown version';
  return {
    name: `restic ${version}`,
    command: (repository, ...args) => ({
      file,
      args: [...args, ...(withCache ? [] : ['--no-cache']), '--repo', repository],
      env: {
        RESTIC_PASSWORD: benchPassword,
        ...hintVariable('RESTIC_KEY_HINT', keyHint(repository, false)),
      },
    }),
  };
}
