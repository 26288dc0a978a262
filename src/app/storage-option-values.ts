import { readFileSync } from 'node:fs';
import { LifeboatError, messageOf } from '../core/errors.ts';
import type { TlsSettings } from '../storage/agent.ts';
import { isSecretReference, resolveSecret } from './configuration/secret.ts';
import { durationExpected, durationMs, durationPattern } from './configuration/units.ts';
import { type StorageAccess, wholeFrom } from './storage-access.ts';

/** What the texts of options mean that several kinds of storage have. */

export function anyText(text: string): string {
  if (text === '') throw new Error('expected a value');
  return text;
}

export function duration(text: string): number {
  if (!durationPattern.test(text)) throw new Error(`expected ${durationExpected}`);
  return durationMs(text);
}

/** How often a request is sent at most, and for how long an operation is tried. */
export const triesOptionTable = { retries: wholeFrom(1), 'retry-for': duration } as const;

/** The content of a file in PEM. @throws LifeboatError `usage`. */
function pemFile(path: string, what: string): string {
  const text = optionFile(path, what).toString('latin1');
  if (text.includes('-----BEGIN ')) return text;
  throw new LifeboatError('usage', `${path} holds no certificate in PEM`);
}

/** @throws LifeboatError `usage`. */
export function optionFile(path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new LifeboatError('usage', `cannot read ${what}: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Asks for the secret behind a reference once, when it is first needed.
 * @throws LifeboatError `usage` for a text that is no reference; asking throws as `resolveSecret`.
 */
export function secretOption(key: string, reference: string, access: StorageAccess): () => Promise<string> {
  if (!isSecretReference(reference)) {
    throw new LifeboatError('usage', `${key} is a reference to the secret, never the secret itself`, {
      hint: 'write env:NAME, file:PATH or command:LINE',
    });
  }
  let asked: Promise<string> | null = null;
  return () => {
    asked ??= resolveSecret(reference, {
      env: access.env,
      signal: access.signal ?? new AbortController().signal,
      hide: (secret) => access.hide?.(secret),
      warn: (message) => access.warn?.(message),
    });
    return asked;
  };
}

/** A URL of a server, without a slash at its end. */
export function endpointUrl(text: string): string {
  if (/^https?:\/\/[^\s/@?#]+(?:\/[^\s@?#]*)?$/.test(text)) return text.replace(/\/+$/, '');
  throw new Error('expected a URL such as https://HOST:PORT, without credentials');
}

/** Whom a storage trusts, and as whom this client shows itself. @throws LifeboatError `usage`. */
export function givenTls(access: StorageAccess): TlsSettings {
  const { clientCertificateFile: own } = access;
  return {
    authorities: access.authorityFiles.map((path) => pemFile(path, 'authorities')),
    clientCertificate: own === null ? null : pemFile(own, 'the client certificate'),
    insecureTls: access.insecureTls,
  };
}
