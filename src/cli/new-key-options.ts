import { LifeboatError } from '../core/errors.ts';
import type { KeyOwner } from '../repository/keys.ts';
import type { CommandContext } from './command.ts';
import type { OptionTable, OptionValues } from './options.ts';
import { flag, text } from './options.ts';
import { resolveNewPassword } from './password.ts';

/** Options of the commands that make a key. */
export const newKeyOptions = {
  'new-password-file': text({ placeholder: 'FILE', help: 'read the new password from this file' }),
  'new-insecure-no-password': flag({ help: 'let an empty password open the repository (insecure)' }),
  user: text({ placeholder: 'NAME', help: 'user name to note in the key; default: yours' }),
  host: text({ placeholder: 'NAME', help: 'host name to note in the key; default: that of this machine' }),
} satisfies OptionTable;

type Values = OptionValues<typeof newKeyOptions>;

/**
 * The password for the new key: from its file, or asked for.
 *
 * @throws LifeboatError `usage` for an empty one that was not asked for; as `resolveNewPassword`.
 */
export async function newKeyPassword(
  context: Pick<CommandContext, 'env' | 'stdin' | 'stderr' | 'output' | 'signal'>,
  { newPasswordFile, newInsecureNoPassword }: Values,
): Promise<string> {
  if (newPasswordFile !== undefined && newInsecureNoPassword) {
    throw new LifeboatError('usage', '--new-password-file and --new-insecure-no-password exclude each other');
  }
  const password = await resolveNewPassword(
    {
      passwordFile: newPasswordFile,
      passwordCommand: undefined,
      insecureNoPassword: newInsecureNoPassword,
      variables: [],
    },
    context,
    ['enter new password: ', 'enter password again: '],
  );
  if (password === '' && !newInsecureNoPassword) {
    throw new LifeboatError('usage', 'the new password is empty', {
      hint: 'give --new-insecure-no-password if anyone may open the repository',
    });
  }
  return password;
}

export function keyOwnerOf({ user, host }: Values): KeyOwner {
  return {
    ...(user === undefined ? {} : { username: user }),
    ...(host === undefined ? {} : { hostname: host }),
  };
}
