import { LifeboatError } from '../core/errors.ts';
import { parseChoice, parseDurationMs, parseKeyValue, parseWholeNumber } from './option-values.ts';
import type { OptionTable, OptionValues } from './options.ts';
import { count, flag, text, value, valueOr, values } from './options.ts';
import type { ParsedArguments } from './parse-options.ts';
import type { Verbosity } from './terminal.ts';

/** The variable under Lifeboat's name, then under restic's. */
const both = (name: string): readonly string[] => [`LIFEBOAT_${name}`, `RESTIC_${name}`];

const mebibyte = 1024 * 1024;

/** Options that every command takes; names and meanings are restic's (internal/global/global.go). */
export const globalOptionTable = {
  config: text({
    placeholder: 'FILE',
    help: 'read the configuration from this file instead of ./lifeboat.yaml or /etc/lifeboat/lifeboat.yaml',
    env: ['LIFEBOAT_CONFIG'],
  }),
  repo: text({
    short: 'r',
    placeholder: 'LOCATION',
    help: 'repository to back up to or restore from; also a name of the configuration',
    env: both('REPOSITORY'),
  }),
  'repository-file': text({
    placeholder: 'FILE',
    help: 'read the location of the repository from this file',
    env: both('REPOSITORY_FILE'),
  }),
  'password-file': text({
    short: 'p',
    placeholder: 'FILE',
    help: 'read the password of the repository from this file',
    env: both('PASSWORD_FILE'),
  }),
  'password-command': text({
    placeholder: 'COMMAND',
    help: 'run this command and take what it prints as the password',
    env: both('PASSWORD_COMMAND'),
  }),
  'insecure-no-password': flag({ help: 'the repository has an empty password (insecure)' }),
  'key-hint': text({
    placeholder: 'ID',
    help: 'try the key with this ID before the others',
    env: both('KEY_HINT'),
  }),
  json: flag({ help: 'print JSON for programs instead of text for people' }),
  quiet: flag({ short: 'q', help: 'print results and errors only' }),
  verbose: count({ short: 'v', help: 'say more; give it twice, or --verbose=2, for every item' }),
  'no-lock': flag({ help: 'do not lock the repository; for reading from read-only storage' }),
  'retry-lock': valueOr({
    placeholder: 'DURATION',
    help: 'while the repository is locked, try again for this long, such as 5m or 2h',
    env: ['LIFEBOAT_RETRY_LOCK'],
    fallback: 0,
    parse: parseDurationMs,
  }),
  'no-cache': flag({ help: 'do not use a local cache' }),
  'cache-dir': text({
    placeholder: 'DIRECTORY',
    help: 'keep the local cache in this directory',
    env: both('CACHE_DIR'),
  }),
  'cleanup-cache': flag({ help: 'remove caches of repositories that were not used for long' }),
  compression: valueOr({
    placeholder: 'MODE',
    help: 'auto, max or off (also fastest and better)',
    env: both('COMPRESSION'),
    fallback: 'auto',
    parse: parseChoice('auto', 'off', 'fastest', 'better', 'max'),
  }),
  option: values({
    short: 'o',
    placeholder: 'KEY=VALUE',
    help: 'set an option of the storage, such as s3.region=eu-west-1',
    parse: parseKeyValue,
  }),
  'limit-upload': value({
    placeholder: 'KIB',
    help: 'upload at most this many KiB per second',
    parse: parseWholeNumber(0, 2 ** 31),
  }),
  'limit-download': value({
    placeholder: 'KIB',
    help: 'download at most this many KiB per second',
    parse: parseWholeNumber(0, 2 ** 31),
  }),
  cacert: values({
    placeholder: 'FILE',
    help: 'trust the authorities whose certificates are in this file instead of those of the system',
    env: both('CACERT'),
    parse: (given) => given,
  }),
  'tls-client-cert': text({
    placeholder: 'FILE',
    help: 'show the storage the certificate in this file, which holds its key as well',
    env: both('TLS_CLIENT_CERT'),
  }),
  'insecure-tls': flag({ help: 'do not check the certificate of the storage (insecure)' }),
  'http-user-agent': text({
    placeholder: 'TEXT',
    help: 'name this program so in requests to the storage',
    env: both('HTTP_USER_AGENT'),
  }),
  'stuck-request-timeout': valueOr({
    placeholder: 'DURATION',
    help: 'send a request again that moved no byte for this long (default: 5m)',
    fallback: 5 * 60_000,
    parse: parseDurationMs,
  }),
  'pack-size': value({
    placeholder: 'MIB',
    help: 'target size of packs in MiB, from 4 to 128',
    env: both('PACK_SIZE'),
    parse: parseWholeNumber(4, 128),
  }),
} satisfies OptionTable;

type GlobalValues = OptionValues<typeof globalOptionTable>;

export interface GlobalOptions
  extends Omit<GlobalValues, 'repo' | 'packSize' | 'retryLock' | 'verbose' | 'quiet'> {
  /** As given; undefined when it is in `repositoryFile`, or nowhere. */
  readonly repository: string | undefined;
  /** Undefined: the repository's own default. */
  readonly packBytes: number | undefined;
  /** 0: do not wait for a lock. */
  readonly retryLockMs: number;
  readonly quiet: boolean;
  readonly verbosity: Verbosity;
}

/** The options of which only one makes sense; an argument beats the environment. */
const exclusive = [
  ['repo', 'repository-file'],
  ['password-file', 'password-command'],
] as const;

/**
 * @throws LifeboatError `usage` where options contradict each other.
 */
export function globalOptionsOf(parsed: ParsedArguments): GlobalOptions {
  // The parser was given a table that includes the global one, so these are its values.
  const values = { ...parsed.values } as { -readonly [K in keyof GlobalValues]: GlobalValues[K] };
  for (const [one, other] of exclusive) dropTheWeaker(values, parsed.origins, one, other);
  if (values.quiet && values.verbose > 0) {
    throw new LifeboatError('usage', '--quiet and --verbose contradict each other');
  }
  const { repo, packSize, retryLock, verbose, ...rest } = values;
  return {
    ...rest,
    repository: repo,
    packBytes: packSize === undefined ? undefined : packSize * mebibyte,
    retryLockMs: retryLock,
    verbosity: values.quiet ? 0 : verbose >= 2 ? 3 : verbose === 1 ? 2 : 1,
  };
}

function dropTheWeaker(
  values: { repo: unknown; repositoryFile: unknown; passwordFile: unknown; passwordCommand: unknown },
  origins: ParsedArguments['origins'],
  one: (typeof exclusive)[number][0],
  other: (typeof exclusive)[number][1],
): void {
  if (!origins.has(one) || !origins.has(other)) return;
  if (origins.get(one) === origins.get(other)) {
    throw new LifeboatError('usage', `--${one} and --${other} exclude each other; give only one of them`);
  }
  const weaker = origins.get(one) === 'environment' ? one : other;
  const key = {
    repo: 'repo',
    'repository-file': 'repositoryFile',
    'password-file': 'passwordFile',
    'password-command': 'passwordCommand',
  } as const;
  values[key[weaker]] = undefined;
}
