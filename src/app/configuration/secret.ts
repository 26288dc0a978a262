import { spawn } from 'node:child_process';
import { errnoOf, LifeboatError, messageOf } from '../../core/errors.ts';
import { decodeTextFile } from '../../core/text-file.ts';
import type { SecretReference } from '../../model/configuration.ts';
import { readSmallFile } from '../../transport/small-file.ts';

/** Secrets by reference: `env:NAME`, `file:PATH`, `command:LINE`. Errors name the reference, never the value. */

export interface SecretSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  /** Takes the value, and what it holds, out of everything that is printed from now on. */
  hide(secret: string): void;
  /** For a file that others may read. */
  warn(message: string): void;
}

const secretBytesMax = 64 * 1024;
const commandTimeoutMs = 60_000;

export function isSecretReference(text: string): text is SecretReference {
  return /^(?:env|file|command):/.test(text);
}

/**
 * The secret behind a reference, without line breaks at its end, registered to be hidden.
 *
 * @throws LifeboatError `secret-missing` where it cannot be had or is empty, `cancelled`.
 */
export async function resolveSecret(
  reference: SecretReference,
  surroundings: SecretSurroundings,
): Promise<string> {
  const colon = reference.indexOf(':');
  const kind = reference.slice(0, colon);
  const rest = reference.slice(colon + 1);
  const value =
    kind === 'env'
      ? fromVariable(rest, surroundings)
      : kind === 'file'
        ? await fromFile(rest, surroundings)
        : await fromCommand(rest, surroundings);
  const secret = value.replace(/[\r\n]+$/, '');
  if (secret === '') throw missing(reference, 'is empty');
  for (const part of secretParts(secret)) surroundings.hide(part);
  return secret;
}

/** What of a reference may be shown: of a command the program only, as its arguments may be secret. */
export function describeReference(reference: SecretReference): string {
  const command = /^command:\s*(\S+)(.*)$/s.exec(reference);
  return command ? `command:${command[1]}${command[2]!.trim() === '' ? '' : ' …'}` : reference;
}

function missing(reference: string, why: string, hint?: string): LifeboatError {
  return new LifeboatError(
    'secret-missing',
    `the secret ${describeReference(reference as SecretReference)} ${why}`,
    hint === undefined ? {} : { hint },
  );
}

function fromVariable(name: string, { env }: SecretSurroundings): string {
  const value = env[name];
  if (value !== undefined) return value;
  throw missing(`env:${name}`, 'is not set', `set the environment variable ${name} for this process`);
}

async function fromFile(path: string, { warn, signal }: SecretSurroundings): Promise<string> {
  const reference = `file:${path}`;
  try {
    const { bytes, mode } = await readSmallFile(path, { bytesMax: secretBytesMax, signal });
    if ((mode & 0o004) !== 0) warn(`${path} holds a secret, and every user of this machine may read it`);
    return textOf(bytes, reference);
  } catch (error) {
    if (error instanceof LifeboatError) throw error;
    const absent = errnoOf(error) === 'ENOENT';
    throw missing(reference, absent ? 'does not exist' : `cannot be read: ${messageOf(error)}`);
  }
}

function textOf(bytes: Uint8Array, reference: string): string {
  if (bytes.length > secretBytesMax) throw missing(reference, `is larger than ${secretBytesMax / 1024} KiB`);
  const text = decodeTextFile(bytes);
  if (text === null || text.includes('\0')) throw missing(reference, 'is not text in UTF-8');
  return text;
}

/** Run by the shell. What it says on standard error is for the user and passes through. */
function fromCommand(line: string, { env, signal }: SecretSurroundings): Promise<string> {
  const reference = `command:${line}`;
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', line], { env: { ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
    const chunks: Buffer[] = [];
    let bytes = 0;
    const end = (error: unknown): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
      child.kill();
      child.stdout.destroy();
      if (error) reject(error);
    };
    const cancel = (): void =>
      end(
        new LifeboatError('cancelled', 'the command of a secret was interrupted', { cause: signal.reason }),
      );
    const timer = setTimeout(
      () => end(missing(reference, `took longer than ${commandTimeoutMs / 1000} s`)),
      commandTimeoutMs,
    );
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes > secretBytesMax) end(missing(reference, `printed more than ${secretBytesMax / 1024} KiB`));
    });
    child.on('error', (error) => end(missing(reference, `cannot be run: ${errnoOf(error)}`)));
    child.on('close', (status, killedBy) => {
      end(null);
      if (status !== 0) {
        return reject(
          missing(reference, killedBy ? `was ended by ${killedBy}` : `ended with status ${status}`),
        );
      }
      try {
        resolve(textOf(Buffer.concat(chunks), reference));
      } catch (error) {
        reject(error);
      }
    });
  });
}

/** The secret, and the password within it where it is a URI or keyword string, as written and as meant. */
function secretParts(secret: string): string[] {
  const inUrl = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s]*?:([^/?#@\s]+)@/i.exec(secret)?.[1];
  const keyword = /(?:^|[\s?&])password\s*=\s*(?:'((?:[^'\\]|\\.)*)'|([^\s&']+))/i.exec(secret);
  const parts = [inUrl, keyword?.[1]?.replace(/\\(.)/g, '$1'), keyword?.[2]].filter(
    (part) => part !== undefined,
  );
  return [secret, ...parts, ...parts.map(percentDecoded)];
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not percent-encoded after all: the text itself is hidden already
  }
}
