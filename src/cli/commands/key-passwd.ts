import { changePassword } from '../../engine/keys/change-keys.ts';
import { defineCommand } from '../command.ts';
import { keyOwnerOf, newKeyOptions, newKeyPassword } from '../new-key-options.ts';
import { withRepository } from '../session.ts';

export const command = defineCommand({
  name: 'passwd',
  usage: 'passwd [OPTION]...',
  description: `
    Changes the password that the repository was opened with: adds a key with the new one, tries it, and only
    then removes the old key. Other keys stay as they are.`,
  options: newKeyOptions,
  async run(context) {
    const { options, output } = context;
    const id = await withRepository(context, 'exclusive', async (repository) =>
      changePassword(repository, await newKeyPassword(context, options), keyOwnerOf(options)),
    );
    if (output.verbosity > 0) output.line(`saved new key as ${id}`);
    return 0;
  },
});
