import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { decodeTextFile } from '../../core/text-file.ts';
import type { Configuration } from '../../model/configuration.ts';
import { readSmallFile } from '../../transport/small-file.ts';
import type { Parsed } from './parse.ts';
import { formatProblem } from './problems.ts';

/** Finds and reads the configuration file. YAML and schema are loaded only when there is a file to read. */

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a configuration is looked for when none is named, in this order. */
export const configurationPlaces = ['lifeboat.yaml', '/etc/lifeboat/lifeboat.yaml'] as const;

/**
 * The path of the configuration file: as given (--config), of LIFEBOAT_CONFIG, or the first that exists of
 * `configurationPlaces` and may be read. A named file is not looked at here.
 *
 * @returns an absolute path, or null where there is none.
 * @throws LifeboatError `configuration-invalid` for a file found that another user could have put there.
 */
export async function findConfiguration(given: string | null, env: Environment): Promise<string | null> {
  const named = given || env.LIFEBOAT_CONFIG;
  if (named) return resolve(named);
  for (const place of configurationPlaces) {
    const path = resolve(place);
    const readable = access(path, constants.R_OK).then(() => stat(path));
    const found = await readable.catch(() => null); // what this account may not read is not meant for it
    if (!found?.isFile()) continue;
    refuseForeign(path, found.uid);
    return path;
  }
  return null;
}

/** A configuration can name commands to run, so one that merely lies about must belong to who runs it. */
function refuseForeign(path: string, owner: number): void {
  const self = process.geteuid?.();
  if (self === undefined || owner === self || owner === 0) return;
  throw new LifeboatError('configuration-invalid', `${path} belongs to another user, so it was not used`, {
    hint: `give --config ${path} if you trust it: a configuration can name commands to run`,
  });
}

const bytesMax = 4 * 1024 * 1024;

/** What was read of pipes, such as a shell's `<(command)`, which have it once. */
const ofPipes = new Map<string, Buffer>();

async function readOnce(path: string): Promise<Buffer> {
  const before = ofPipes.get(path);
  if (before) return before;
  const { bytes, isRegular } = await readSmallFile(path, { bytesMax });
  if (!isRegular) ofPipes.set(path, bytes);
  return bytes;
}

/**
 * Reads and checks a file; what is wrong in it is in the result.
 *
 * @throws LifeboatError `configuration-missing` where it cannot be read.
 */
export async function readConfiguration(path: string, env: Environment): Promise<Parsed> {
  let bytes: Buffer;
  try {
    bytes = await readOnce(path);
  } catch (error) {
    if (error instanceof LifeboatError) throw error;
    const why = errnoOf(error) === 'ENOENT' ? 'does not exist' : `cannot be read: ${messageOf(error)}`;
    throw new LifeboatError('configuration-missing', `the configuration file ${path} ${why}`, {
      cause: error,
    });
  }
  const text = decodeTextFile(bytes);
  if (text === null) {
    throw new LifeboatError('configuration-invalid', `${path} is not text in UTF-8`);
  }
  const { parseConfiguration } = await import('./parse.ts');
  return parseConfiguration(text, { path: resolve(path), home: env.HOME || homedir() });
}

/**
 * The configuration: of the file given, else found (see `findConfiguration`).
 *
 * @throws LifeboatError `configuration-missing` where there is none, `configuration-invalid` with each problem
 * as `FILE:LINE:COLUMN: path: message`.
 */
export async function loadConfiguration(given: string | null, env: Environment): Promise<Configuration> {
  const path = await findConfiguration(given, env);
  if (path === null) {
    throw new LifeboatError(
      'configuration-missing',
      `there is no configuration: neither --config nor LIFEBOAT_CONFIG name one, and neither ${configurationPlaces.join(' nor ')} can be read`,
    );
  }
  const { configuration, problems } = await readConfiguration(path, env);
  if (configuration) return configuration;
  const lines = problems.map((problem) => formatProblem(path, problem));
  throw new LifeboatError(
    'configuration-invalid',
    lines.length === 1 ? lines[0]! : [`${path} has ${lines.length} problems`, ...lines].join('\n  '),
  );
}
