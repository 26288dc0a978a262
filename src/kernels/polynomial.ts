import { randomFillSync } from 'node:crypto';

/**
 * Polynomials over F_2 in a bigint: bit i is the coefficient of x^i. What restic's chunker needs of them:
 * its fingerprint is the remainder of a window of bytes modulo an irreducible polynomial that each
 * repository draws for itself (M. O. Rabin, "Fingerprinting by Random Polynomials", 1981).
 */
export type Polynomial = bigint;

/** The degree of every repository's polynomial: the largest prime below 64 - 8. */
export const chunkerDegree = 53;

/** The degree, or -1 for zero. */
export function degree(a: Polynomial): number {
  return a === 0n ? -1 : a.toString(2).length - 1;
}

/** The remainder of a divided by b. @throws RangeError when b is zero */
export function modulo(a: Polynomial, b: Polynomial): Polynomial {
  const divisorDegree = degree(b);
  if (divisorDegree < 0) throw new RangeError('division of a polynomial by zero');
  let rest = a;
  for (let above = degree(rest) - divisorDegree; above >= 0; above = degree(rest) - divisorDegree) {
    rest ^= b << BigInt(above);
  }
  return rest;
}

export function multiply(a: Polynomial, b: Polynomial): Polynomial {
  let product = 0n;
  for (let shifted = a, bits = b; bits !== 0n; shifted <<= 1n, bits >>= 1n) {
    if ((bits & 1n) === 1n) product ^= shifted;
  }
  return product;
}

/** The greatest common divisor. */
export function commonDivisor(a: Polynomial, b: Polynomial): Polynomial {
  let [high, low] = [a, b];
  while (low !== 0n) [high, low] = [low, modulo(high, low)];
  return high;
}

/**
 * Ben-Or's test: p of degree n is irreducible when it has no divisor in common with x^(2^i) - x for any
 * i up to n/2 (S. Gao and D. Panario, "Tests and Constructions of Irreducible Polynomials over Finite Fields").
 */
export function isIrreducible(p: Polynomial): boolean {
  const n = degree(p);
  if (n < 1) return false;
  let power = modulo(2n, p);
  for (let i = 1; i <= n / 2; i++) {
    power = modulo(multiply(power, power), p);
    if (commonDivisor(p, power ^ modulo(2n, p)) !== 1n) return false;
  }
  return true;
}

/** A random irreducible polynomial of degree 53 for a new repository. */
export function randomPolynomial(): Polynomial {
  const words = new BigUint64Array(1);
  for (;;) {
    randomFillSync(words);
    // The highest bit fixes the degree; without the lowest, x would be a divisor.
    const candidate = BigInt.asUintN(chunkerDegree, words[0] ?? 0n) | (1n << BigInt(chunkerDegree)) | 1n;
    if (isIrreducible(candidate)) return candidate;
  }
}
