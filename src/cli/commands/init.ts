import { createAt } from '../../app/connect.ts';
import { lookForMedium, removableOption } from '../../app/removable.ts';
import { LifeboatError } from '../../core/errors.ts';
import { repositoriesOfSource } from '../../model/configuration.ts';
import { newestVersion } from '../../repository/config.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { locateRepository, requireConfiguration } from '../configured.ts';
import { fromOptions, openFromRepository } from '../from-repository.ts';
import { flag, valueOr } from '../options.ts';
import { passwordVariables, resolveNewPassword } from '../password.ts';
import { storageAccess } from '../storage-access.ts';

const versionsByName: Readonly<Record<string, 1 | 2>> = {
  '1': 1,
  '2': 2,
  stable: newestVersion,
  latest: newestVersion,
};

function parseVersion(given: string): 1 | 2 {
  const version = Object.hasOwn(versionsByName, given) ? versionsByName[given] : undefined;
  if (version === undefined) throw new Error(`expected one of ${Object.keys(versionsByName).join(', ')}`);
  return version;
}

export const command = defineCommand({
  name: 'init',
  usage: 'init [OPTION]...',
  description: `
    Creates a repository: the place where snapshots are kept, encrypted with a password. Without the password
    nothing can be restored, so keep a copy of it where it survives this machine.`,
  options: {
    ...fromOptions,
    'copy-chunker-params': flag({
      help: 'cut files at the same places as the repository named with --from-repo, so that copies share data',
    }),
    'repository-version': valueOr({
      placeholder: 'VERSION',
      help: 'format of the repository: 1, 2, stable or latest',
      fallback: newestVersion as 1 | 2,
      parse: parseVersion,
    }),
  },
  examples: [
    { command: 'lifeboat -r /srv/backup init', explains: 'asks for a password and creates the folder' },
    {
      command: 'lifeboat -r /mnt/disk init --from-repo /srv/backup --copy-chunker-params',
      explains: 'a second repository to copy snapshots to',
    },
  ],
  async run(context) {
    const { options, global, output } = context;
    const copies = options.copyChunkerParams;
    if (!copies && (options.fromRepo !== undefined || options.fromRepositoryFile !== undefined)) {
      throw new LifeboatError('usage', 'a repository to copy from is named, but nothing is to be copied', {
        hint: 'add --copy-chunker-params, or leave out --from-repo',
      });
    }
    const { location, options: storageOptions, name, configured } = await locateRepository(global, context);
    const source = copies ? await openFromRepository(context, options) : null;
    const password = await resolveNewPassword(
      { ...global, variables: passwordVariables, configured },
      context,
    );
    if (password === '' && !global.insecureNoPassword) {
      throw new LifeboatError('usage', 'the password is empty', {
        hint: 'give --insecure-no-password if anyone may open the repository',
      });
    }
    if (storageOptions[removableOption] === 'true') {
      const warning = await lookForMedium(location, context.env);
      if (warning !== null) output.warn(`warning: ${warning}`);
    }
    const repository = await createAt(
      location,
      password,
      {
        version: options.repositoryVersion,
        ...(source ? { chunkerPolynomial: source.config.chunkerPolynomial } : {}),
      },
      storageAccess(context, storageOptions),
    );
    const { id } = repository.config;
    if (output.json) {
      output.jsonLine({ message_type: 'initialized', id, repository: location });
      return 0;
    }
    output.info(`created restic repository ${id.slice(0, 10)} at ${location}`);
    if (source) output.info(' with chunker parameters copied from secondary repository');
    output.info('');
    output.info('Please note that knowledge of your password is required to access');
    output.info('the repository. Losing your password means that your data is');
    output.info('irrecoverably lost.');
    output.info('');
    const next =
      (await backupOfSource(context, name)) ?? `lifeboat -r ${shellWord(name ?? location)} backup FOLDER`;
    output.info(`Next: ${output.style('bold', next)}`);
    return 0;
  },
});

/** What to run for the first source that the configuration keeps in a repository; null where there is none. */
async function backupOfSource(
  context: Pick<CommandContext, 'global' | 'env' | 'output' | 'signal'>,
  repository: string | null,
): Promise<string | null> {
  if (repository === null) return null;
  const configuration = await requireConfiguration(context);
  const source = Object.values(configuration.sources).find(({ name }) =>
    repositoriesOfSource(configuration, name).includes(repository),
  );
  if (configuration.protect.some(({ copies }) => copies.includes(repository))) return 'lifeboat copy';
  if (!source) return null;
  const isJournaled = source.type === 'postgres' && source.journal !== null;
  return `lifeboat ${isJournaled ? 'wal receive' : 'backup'} --source ${source.name}`;
}

/** A word as a shell takes it back. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
