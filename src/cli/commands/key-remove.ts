import { removeKey } from '../../engine/keys/change-keys.ts';
import { defineCommand } from '../command.ts';
import { withRepository } from '../session.ts';

export const command = defineCommand({
  name: 'remove',
  usage: 'remove ID',
  description: `
    Removes a key, so that its password no longer opens the repository. The key in use is never removed. Who had
    the password may have kept the master key: to shut them out, copy the snapshots to a new repository.`,
  positionals: { min: 1, max: 1 },
  options: {},
  async run(context) {
    const { args, output } = context;
    const id = await withRepository(context, 'exclusive', (repository) =>
      removeKey(repository, args[0] ?? ''),
    );
    if (output.verbosity > 0) output.line(`removed key ${id}`);
    return 0;
  },
});
