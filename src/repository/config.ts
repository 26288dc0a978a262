import { randomBytes } from 'node:crypto';
import { LifeboatError, messageOf } from '../core/errors.ts';
import { isIrreducible, randomPolynomial } from '../kernels/polynomial.ts';

/** The repository's config file, encrypted and never compressed (doc/design.rst "Repository Format"). */
export interface RepositoryConfig {
  readonly version: 1 | 2;
  /** 64 hex digits drawn at random when the repository was created. */
  readonly id: string;
  /** Polynomial of degree 53 of the content-defined chunker. */
  readonly chunkerPolynomial: bigint;
}

export const newestVersion = 2;
const polynomialDegree = 53;

export function newConfig(version: 1 | 2, polynomial = randomPolynomial()): RepositoryConfig {
  return { version, id: randomBytes(32).toString('hex'), chunkerPolynomial: polynomial };
}

export function encodeConfig(config: RepositoryConfig): Buffer {
  const { version, id, chunkerPolynomial } = config;
  return Buffer.from(JSON.stringify({ version, id, chunker_polynomial: chunkerPolynomial.toString(16) }));
}

/** @throws LifeboatError `repository-version` for a newer format, `repository-damaged` for nonsense. */
export function parseConfig(bytes: Uint8Array, location: string): RepositoryConfig {
  const damaged = (why: string, cause?: unknown) =>
    new LifeboatError('repository-damaged', `the config of ${location} ${why}`, { cause });
  let value: { version?: unknown; id?: unknown; chunker_polynomial?: unknown };
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8')) as typeof value;
  } catch (error) {
    throw damaged(`is not JSON: ${messageOf(error)}`, error);
  }
  if (typeof value !== 'object' || value === null) throw damaged('is not a JSON object');
  const { version, id, chunker_polynomial: polynomialHex } = value;
  if (typeof version === 'number' && version > newestVersion) {
    throw new LifeboatError(
      'repository-version',
      `the repository at ${location} has format version ${version}; this Lifeboat reads versions 1 and 2`,
    );
  }
  if (version !== 1 && version !== 2) throw damaged(`names no known version: ${JSON.stringify(version)}`);
  if (typeof id !== 'string' || !/^[0-9a-f]{64}$/.test(id)) throw damaged('has no valid id');
  if (typeof polynomialHex !== 'string' || !/^[0-9a-f]{1,16}$/.test(polynomialHex))
    throw damaged('has no chunker polynomial');
  const chunkerPolynomial = BigInt(`0x${polynomialHex}`);
  if (chunkerPolynomial >> BigInt(polynomialDegree) !== 1n || !isIrreducible(chunkerPolynomial))
    throw damaged('has a chunker polynomial that is not irreducible of degree 53');
  return { version, id, chunkerPolynomial };
}
