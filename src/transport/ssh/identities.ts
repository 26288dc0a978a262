import { readFileSync } from 'node:fs';
import type { AuthMethod, OpenSSHAgent, ParsedKey } from 'ssh2';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import type { SshOptions, SshTargetSettings } from './target.ts';

/** What to log in with: keys of the agent first, as they need no passphrase, then those in files. */

export interface Identities {
  readonly methods: AuthMethod[];
  /** Where logging in fails: what was tried and what could not be, for a person. */
  readonly told: string;
}

type Library = typeof import('ssh2');

type KeyFile =
  | {
      readonly kind: 'private';
      readonly path: string;
      readonly content: Buffer;
      readonly key: ParsedKey;
      readonly passphrase: string | null;
    }
  /** Only its public half can be read: the agent may have the other one. */
  | { readonly kind: 'public'; readonly path: string; readonly key: ParsedKey | null; readonly why: string };

/** @throws LifeboatError `ssh-settings` for a key that the user named and that cannot be used, `secret-missing`. */
export async function findIdentities(
  ssh2: Library,
  target: SshTargetSettings,
  options: Pick<SshOptions, 'passphrase'>,
): Promise<Identities> {
  const files: KeyFile[] = [];
  for (const path of target.identityFiles) {
    const file = await readKeyFile(ssh2, path, options.passphrase);
    if (file) files.push(file);
    else if (target.identityRequired)
      throw new LifeboatError('ssh-settings', `the SSH key ${path} does not exist`);
  }
  const publicKeys = files.flatMap(({ key }) => (key ? [key.getPublicSSH()] : []));
  const agent = target.agent === null ? null : new ssh2.OpenSSHAgent(target.agent);
  const { user: username } = target;
  const methods: AuthMethod[] = [];
  const [first] = files;
  if (target.identityRequired && !agent && first?.kind === 'public')
    throw new LifeboatError('ssh-settings', `the SSH key ${first.path} ${first.why}`);
  if (agent)
    methods.push({
      type: 'agent',
      username,
      agent: target.identitiesOnly ? onlyKeys(agent, publicKeys) : agent,
    });
  for (const file of files) {
    if (file.kind !== 'private') continue;
    const { content: key, passphrase } = file;
    methods.push({ type: 'publickey', username, key, ...(passphrase !== null && { passphrase }) });
  }
  return { methods, told: tellTried(target, files) };
}

function tellTried({ agent, identityFiles }: SshTargetSettings, files: readonly KeyFile[]): string {
  const tried = [
    ...(agent === null ? [] : ['the keys of the agent']),
    ...files.filter(({ kind }) => kind === 'private').map(({ path }) => path),
  ];
  const unusable = files.flatMap((file) => (file.kind === 'public' ? [`${file.path} ${file.why}`] : []));
  if (tried.length === 0 && unusable.length === 0)
    return `there is no key to log in with: no agent, and none of ${identityFiles.join(', ') || 'no files'}`;
  return [`tried ${tried.join(', ') || 'nothing'}`, ...unusable].join('; ');
}

/** null for a file that does not exist. */
async function readKeyFile(
  ssh2: Library,
  path: string,
  askPassphrase: SshOptions['passphrase'],
): Promise<KeyFile | null> {
  let content: Buffer;
  try {
    content = readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
    return { kind: 'public', path, key: publicHalf(ssh2, path), why: `cannot be read: ${messageOf(error)}` };
  }
  let key = parsed(ssh2, content);
  let passphrase: string | null = null;
  if (key instanceof Error && /encrypted/i.test(key.message)) {
    if (!askPassphrase)
      return {
        kind: 'public',
        path,
        key: publicHalf(ssh2, path),
        why: 'is encrypted, and no passphrase was given',
      };
    passphrase = await askPassphrase();
    key = parsed(ssh2, content, passphrase);
    if (key instanceof Error)
      return { kind: 'public', path, key: publicHalf(ssh2, path), why: 'does not open with the passphrase' };
  }
  if (key instanceof Error) return { kind: 'public', path, key: null, why: `is no key: ${key.message}` };
  return key.isPrivateKey()
    ? { kind: 'private', path, content, key, passphrase }
    : { kind: 'public', path, key, why: 'is a public key, which only the agent can use' };
}

function parsed(ssh2: Library, content: Buffer, passphrase?: string): ParsedKey | Error {
  const key = ssh2.utils.parseKey(content, passphrase);
  return Array.isArray(key) ? (key[0] ?? new Error('it holds none')) : key;
}

function publicHalf(ssh2: Library, path: string): ParsedKey | null {
  try {
    const key = parsed(ssh2, readFileSync(`${path}.pub`));
    return key instanceof Error ? null : key;
  } catch {
    // Most encrypted keys stand beside their public half; without it the agent's cannot be told apart.
    return null;
  }
}

/** An agent of which only these keys are tried: servers hang up after a few that they do not know. */
function onlyKeys(agent: OpenSSHAgent, publicKeys: readonly Buffer[]): OpenSSHAgent {
  const all = agent.getIdentities.bind(agent);
  agent.getIdentities = (callback) =>
    all((error, keys) =>
      error
        ? callback(error)
        : callback(
            null,
            (keys ?? []).filter((key) => publicKeys.some((wanted) => wanted.equals(key.getPublicSSH()))),
          ),
    );
  return agent;
}
