import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { commonDivisor, degree, isIrreducible, modulo, multiply, randomPolynomial } from './polynomial.ts';

const polynomial = fc.bigInt({ min: 0n, max: (1n << 60n) - 1n });
const nonZero = fc.bigInt({ min: 1n, max: (1n << 60n) - 1n });

test('the degree is the position of the highest coefficient', () => {
  for (const [p, expected] of [
    [0n, -1],
    [1n, 0],
    [2n, 1],
    [3n, 1],
    [0x3da3358b4dc173n, 53],
    [1n << 63n, 63],
  ] as const) {
    assert.equal(degree(p), expected);
  }
});

test('a remainder is below its divisor, and what was taken away is a multiple of it', () => {
  fc.assert(
    fc.property(polynomial, nonZero, polynomial, (a, b, q) => {
      assert.ok(degree(modulo(a, b)) < degree(b));
      assert.equal(modulo(multiply(q, b) ^ modulo(a, b), b), modulo(a, b));
      assert.equal(modulo(multiply(q, b), b), 0n);
    }),
  );
  assert.throws(() => modulo(1n, 0n), RangeError);
});

test('multiplication commutes and distributes', () => {
  fc.assert(
    fc.property(polynomial, polynomial, polynomial, (a, b, c) => {
      assert.equal(multiply(a, b), multiply(b, a));
      assert.equal(multiply(a, b ^ c), multiply(a, b) ^ multiply(a, c));
    }),
  );
});

test('the common divisor divides both', () => {
  fc.assert(
    fc.property(nonZero, nonZero, nonZero, (a, b, c) => {
      const divisor = commonDivisor(multiply(a, c), multiply(b, c));
      assert.equal(modulo(multiply(a, c), divisor), 0n);
      assert.equal(modulo(divisor, c), 0n);
    }),
  );
});

test('of small polynomials exactly those without a divisor are irreducible', () => {
  for (let p = 2n; p < 512n; p++) {
    let divisible = false;
    for (let d = 2n; degree(d) <= degree(p) / 2; d++) divisible ||= modulo(p, d) === 0n;
    assert.equal(isIrreducible(p), !divisible, p.toString(2));
  }
  assert.equal(isIrreducible(0n), false);
  assert.equal(isIrreducible(1n), false);
});

test("restic/chunker's examples of degree 53 are told apart", () => {
  for (const p of [0x3da3358b4dc173n, 0x2482734cacca49n])
    assert.equal(isIrreducible(p), true, p.toString(16));
  for (const p of [0x38f1e565e288dfn, 0x30a8295b9d5c91n, 0x255f4350b962cbn, 0x2026a59efb219bn]) {
    assert.equal(isIrreducible(p), false, p.toString(16));
  }
});

test('random polynomials have degree 53, are irreducible, and differ', () => {
  const drawn = Array.from({ length: 5 }, () => randomPolynomial());
  for (const p of drawn) {
    assert.equal(degree(p), 53);
    assert.ok(isIrreducible(p));
  }
  assert.equal(new Set(drawn).size, 5);
});
