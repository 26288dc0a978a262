import { addProvenKey } from '../../engine/keys/change-keys.ts';
import { defineCommand } from '../command.ts';
import { keyOwnerOf, newKeyOptions, newKeyPassword } from '../new-key-options.ts';
import { withRepository } from '../session.ts';

export const command = defineCommand({
  name: 'add',
  usage: 'add [OPTION]...',
  description: `
    Lets a further password open the repository. The new key is tried once before the command ends.`,
  options: newKeyOptions,
  examples: [
    { command: 'lifeboat key add', explains: 'asks for the new password' },
    {
      command: 'lifeboat key add --new-password-file kit.txt --user recovery-kit',
      explains: 'a key for the recovery kit',
    },
  ],
  async run(context) {
    const { options, output } = context;
    const id = await withRepository(context, 'shared', async (repository) =>
      addProvenKey(repository, await newKeyPassword(context, options), keyOwnerOf(options)),
    );
    if (output.verbosity > 0) output.line(`saved new key with ID ${id}`);
    return 0;
  },
});
