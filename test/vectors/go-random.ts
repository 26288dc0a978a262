/**
 * The generator behind Go's math/rand with a fixed seed: an additive lagged Fibonacci generator,
 * y[n] = y[n-607] + y[n-273] mod 2^64. restic/chunker's published vectors are cut from its output.
 *
 * Go starts it from a table of constants: the state of the same generator after 7.8e12 steps from seed 1.
 * Here that table is computed instead, by jumping ahead: y[N] is a combination of the first 607 values whose
 * coefficients are those of x^N modulo x^607 - x^334 - 1.
 */

const size = 607;
const tap = 273;
const cookedSteps = 7_800_000_000_000n;
const mask64 = (1n << 64n) - 1n;

/** Park and Miller's generator, which fills the state. */
function nextSeed(x: number): number {
  return (x * 48271) % 2147483647;
}

/** The 607 words that a seed gives, from three draws of 31 bits each, `shift` bits apart. */
function wordsOfSeed(seed: number, shift: bigint): bigint[] {
  let x = seed;
  const draw = () => {
    x = nextSeed(x);
    return BigInt(x);
  };
  for (let i = 0; i < 20; i++) draw();
  return Array.from({ length: size }, () => ((draw() << (2n * shift)) ^ (draw() << shift) ^ draw()) & mask64);
}

// Coefficients packed into one big integer, wide enough for a sum of 607 products of 64 bits: the engine's
// fast multiplication then multiplies polynomials.
const slotBits = 144;
const slotDigits = slotBits / 4;

function pack(coefficients: readonly bigint[]): bigint {
  const digits = coefficients.map((c) => c.toString(16).padStart(slotDigits, '0'));
  return BigInt(`0x${digits.reverse().join('')}`);
}

function unpack(packed: bigint, count: number): bigint[] {
  const digits = packed.toString(16).padStart(count * slotDigits, '0');
  return Array.from({ length: count }, (_, i) => {
    const end = digits.length - i * slotDigits;
    return BigInt(`0x${digits.slice(end - slotDigits, end)}`) & mask64;
  });
}

/** Replaces x^607 by x^334 + 1 until the degree is below 607. */
function reduce(coefficients: bigint[]): bigint[] {
  for (let k = coefficients.length - 1; k >= size; k--) {
    const c = coefficients[k] ?? 0n;
    for (const target of [k - size, k - tap])
      coefficients[target] = ((coefficients[target] ?? 0n) + c) & mask64;
  }
  return coefficients.slice(0, size);
}

/** x^n modulo x^607 - x^334 - 1. */
function powerOfX(n: bigint): bigint[] {
  let power = [1n];
  for (const bit of n.toString(2)) {
    const packed = pack(power);
    const square = unpack(packed * packed, 2 * size);
    power = reduce(bit === '1' ? [0n, ...square] : square);
  }
  return power;
}

/** Index in Go's array of the value with this number in the sequence; the array is filled downwards. */
function slotOf(n: bigint): number {
  const slot = (333n - n) % BigInt(size);
  return Number(slot < 0n ? slot + BigInt(size) : slot);
}

/** Go's table rngCooked. */
export function cookedWords(): bigint[] {
  const first = wordsOfSeed(1, 10n);
  // In the order of the sequence, and as far as the combinations below reach.
  const sequence = Array.from({ length: size }, (_, i) => first[slotOf(BigInt(i - size))] ?? 0n);
  for (let i = size; i < 2 * size; i++) {
    sequence.push(((sequence[i - size] ?? 0n) + (sequence[i - tap] ?? 0n)) & mask64);
  }
  const coefficients = powerOfX(cookedSteps);
  const cooked = new Array<bigint>(size).fill(0n);
  for (let i = 0; i < size; i++) {
    let sum = 0n;
    for (let j = 0; j < size; j++) sum += (coefficients[j] ?? 0n) * (sequence[i + j] ?? 0n);
    cooked[slotOf(cookedSteps - BigInt(size) + BigInt(i))] = sum & mask64;
  }
  return cooked;
}

/** Bytes of successive Uint32() of Go's `rand.New(rand.NewSource(seed))`, little-endian; `length` in fours. */
export function goRandomBytes(seed: number, length: number): Uint8Array {
  const cooked = cookedWords();
  const words = wordsOfSeed(seed, 20n).map((word, i) => word ^ (cooked[i] ?? 0n));
  const high = Uint32Array.from(words, (word) => Number(word >> 32n));
  const low = Uint32Array.from(words, (word) => Number(word & 0xffffffffn));
  const out = new Uint32Array(length / 4);
  let from = 0;
  let feed = size - tap;
  for (let i = 0; i < out.length; i++) {
    from = from === 0 ? size - 1 : from - 1;
    feed = feed === 0 ? size - 1 : feed - 1;
    const sum = (low[feed] ?? 0) + (low[from] ?? 0);
    low[feed] = sum;
    high[feed] = (high[feed] ?? 0) + (high[from] ?? 0) + (sum > 0xffffffff ? 1 : 0);
    // Bits 31 to 62.
    out[i] = ((high[feed] ?? 0) << 1) | ((low[feed] ?? 0) >>> 31);
  }
  return new Uint8Array(out.buffer);
}
