import { join } from 'node:path';
import { changePages, clusterScale, copyFolder, proveCluster } from '../data/cluster.ts';
import { warm } from '../measure/files.ts';
import type { Contender } from '../measure/side-by-side.ts';
import { benchSource } from '../programs/lifeboat-source.ts';
import { removeFolder } from '../settings.ts';
import { type Bench, takingPart } from '../work.ts';
import { runPhysical } from './postgres-physical.ts';

const factor = 1.2;

/** Restores of a physical backup to its own end, into an empty folder; no server is started. */
export async function postgresRestore(bench: Bench): Promise<void> {
  await physicalRestore(bench, false);
}

/** The same over a data directory of which 1% of the pages has changed since. */
export async function postgresDelta(bench: Bench): Promise<void> {
  await physicalRestore(bench, true);
}

async function physicalRestore(bench: Bench, delta: boolean): Promise<void> {
  const group = delta ? 'postgres-delta' : 'postgres-restore';
  const title = delta
    ? 'Physical restore in place, 1% of the pages changed'
    : 'Physical restore, empty folder';
  const work = { id: `${group}/pgbench`, group, title, factor };
  await runPhysical(bench, work, async ({ folder, data, server, theirs, source, ours, peer }) => {
    /** The place to restore to, and what makes it ready for a run. */
    const place = (letter: string): Pick<Contender, 'prepare' | 'verify' | 'finish'> & { target: string } => {
      let run = 0;
      const target = join(folder, letter);
      return {
        target,
        prepare() {
          if (delta) {
            copyFolder(data, target);
            warm(target);
          } else if (run++ > 0) removeFolder(target);
        },
        verify: () => proveCluster(target, clusterScale(bench.settings.quick)),
        finish() {
          removeFolder(`${target}.socket`);
          return null;
        },
      };
    };
    const their = (): Contender => {
      theirs.run('stanza-create');
      theirs.run('backup', '--type=full');
      warm(theirs.repository);
      const { target, ...steps } = place('theirs');
      const where = [`--pg1-path=${target}`, '--archive-mode=off', '--type=immediate'];
      return {
        name: peer,
        ...steps,
        command: () => theirs.command('restore', ...where, ...(delta ? ['--delta'] : [])),
      };
    };
    const our = (): Contender => {
      source.run('init', '-r', 'main');
      source.run('backup', '--source', benchSource, '--type', 'full');
      warm(source.repository);
      const { target, ...steps } = place('ours');
      const where = ['--to', 'immediate', '--target', target, '--no-start', '--yes'];
      return { name: ours, ...steps, command: () => source.command('restore', benchSource, ...where) };
    };
    const taking = await takingPart([
      [ours, our],
      [peer, their],
    ]);
    if (delta) changePages(server, 1);
    server.stop();
    return taking;
  });
}
