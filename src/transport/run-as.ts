import { existsSync } from 'node:fs';
import { userName } from './accounts.ts';

export interface RunAccount {
  readonly uid: number;
  readonly gid: number;
}

interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  /** For `spawn`; null where the program itself sees to it. */
  readonly account: RunAccount | null;
}

/** Of util-linux, as every Linux distribution with glibc has it. */
const setpriv = '/usr/bin/setpriv';

/**
 * How root starts a program as another account, with all groups that the account is a member of. Node would leave
 * those out, and a server that may read its TLS key only through one of them, as on Debian, would not start.
 */
export function launchAs(program: string, args: readonly string[], account: RunAccount): Launch {
  const { uid, gid } = account;
  const isKnown = userName(uid) !== '';
  if (process.geteuid?.() !== 0 || uid === 0 || !isKnown || !program.startsWith('/') || !existsSync(setpriv))
    return { program, args, account };
  const change = [`--reuid=${uid}`, `--regid=${gid}`, '--init-groups'];
  return { program: setpriv, args: [...change, program, ...args], account: null };
}
