import type { Command } from '../measure/process.ts';
import type { Contender } from '../measure/side-by-side.ts';
import { type Bench, nameOf, present, runWork, takingPart } from '../work.ts';

const secondsMax = 0.06;
const loops = 20;

/** How long it takes until the program is there. */
export async function startup(bench: Bench): Promise<void> {
  const { lifeboat, restic } = bench;
  const ours = lifeboat.name;
  const peer = nameOf(restic, 'restic');
  await runWork(bench, {
    id: 'startup/version',
    group: 'startup',
    title: 'Start-up',
    rules: [{ program: ours, measure: 'seconds', kind: 'within', wanted: secondsMax }],
    async prepare() {
      const contender = (name: string, command: Command): Contender => ({
        name,
        command: () => command,
      });
      const { file } = lifeboat.command('');
      const taking = await takingPart([
        [ours, () => contender(ours, { file, args: ['--version'] })],
        [peer, () => contender(peer, { file: present(restic).command('').file, args: ['version'] })],
      ]);
      return { detail: '`lifeboat --version`', runs: loops, ...taking };
    },
  });
}
