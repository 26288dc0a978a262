import { changePages } from '../data/cluster.ts';
import type { Contender } from '../measure/side-by-side.ts';
import { benchSource } from '../programs/lifeboat-source.ts';
import { cloneRepository, repositoryBytes } from '../programs/repositories.ts';
import { type Bench, takingPart } from '../work.ts';
import { runPhysical } from './postgres-physical.ts';

const factor = 1.5;

/** Physical backups of a running server by its socket: everything, and after 1% of the pages changed. */
export async function postgresFull(bench: Bench): Promise<void> {
  await physicalBackup(bench, 'full');
}

export async function postgresIncremental(bench: Bench): Promise<void> {
  await physicalBackup(bench, 'incremental');
}

async function physicalBackup(bench: Bench, type: 'full' | 'incremental'): Promise<void> {
  const work = {
    id: `postgres-${type}/pgbench`,
    group: `postgres-${type}`,
    title: type === 'full' ? 'Physical backup, full' : 'Physical backup, 1% of the pages changed',
    factor,
  };
  await runPhysical(bench, work, async ({ server, theirs, source, ours, peer }) => {
    const their = (): Contender => {
      theirs.run('stanza-create');
      if (type === 'incremental') theirs.run('backup', '--type=full');
      const empty = `${theirs.repository}-before`;
      cloneRepository(theirs.repository, empty);
      return {
        name: peer,
        prepare: () => cloneRepository(empty, theirs.repository),
        command: () => theirs.command('backup', `--type=${type === 'full' ? 'full' : 'incr'}`),
        finish: () => repositoryBytes(theirs.repository) - repositoryBytes(empty),
      };
    };
    const our = (): Contender => {
      source.run('init', '-r', 'main');
      if (type === 'incremental') source.run('backup', '--source', benchSource, '--type', 'full');
      const empty = `${source.repository}-before`;
      cloneRepository(source.repository, empty);
      return {
        name: ours,
        prepare: () => cloneRepository(empty, source.repository),
        command: () => source.command('backup', '--source', benchSource, '--type', type),
        verify: () => void source.run('check', '-r', 'main'),
        finish: () => repositoryBytes(source.repository) - repositoryBytes(empty),
      };
    };
    const taking = await takingPart([
      [peer, their],
      [ours, our],
    ]);
    if (type === 'incremental') changePages(server, 1);
    return { ...taking, contenders: taking.contenders.toReversed() };
  });
}
