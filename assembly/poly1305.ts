/**
 * Poly1305, RFC 8439 section 2.5, with numbers in five limbs of 26 bits.
 *
 * Long messages go four blocks at a time: two blocks side by side in the lanes of a vector, and two such
 * pairs a step, so that one reduction serves 64 bytes. The lanes hold partial sums with
 *   h = lane0 * r^2 + lane1 * r
 * and a step is lane = lane * r^4 + pair0 * r^2 + pair1.
 */

const mask26: u64 = 0x3ffffff;
/** The bit that RFC 8439 sets above each whole block, in the top limb. */
const blockBit: u64 = 1 << 24;

const key = memory.data(32, 16);
const tag = memory.data(16, 16);
const input = memory.data(65536 + 16, 64);

/** r, r^2 and r^4: five limbs of u64 each. */
const r1 = memory.data(40, 16);
const r2 = memory.data(40, 16);
const r4 = memory.data(40, 16);
/** Five vectors [r^4, r^4, r^2, r^2] of u32, then the same limbs times five. */
const powers = memory.data(160, 16);

let h0: u64 = 0;
let h1: u64 = 0;
let h2: u64 = 0;
let h3: u64 = 0;
let h4: u64 = 0;

export function polyKey(): usize {
  return key;
}

export function polyInput(): usize {
  return input;
}

export function polyTag(): usize {
  return tag;
}

/** h = h * r mod 2^130 - 5, limbs a little above 26 bits. @param r address of five limbs */
// @ts-ignore: decorator
@inline
function multiply(r: usize): void {
  const a0 = load<u64>(r);
  const a1 = load<u64>(r, 8);
  const a2 = load<u64>(r, 16);
  const a3 = load<u64>(r, 24);
  const a4 = load<u64>(r, 32);
  const b1 = a1 * 5;
  const b2 = a2 * 5;
  const b3 = a3 * 5;
  const b4 = a4 * 5;
  const d0 = h0 * a0 + h1 * b4 + h2 * b3 + h3 * b2 + h4 * b1;
  let d1 = h0 * a1 + h1 * a0 + h2 * b4 + h3 * b3 + h4 * b2;
  let d2 = h0 * a2 + h1 * a1 + h2 * a0 + h3 * b4 + h4 * b3;
  let d3 = h0 * a3 + h1 * a2 + h2 * a1 + h3 * a0 + h4 * b4;
  let d4 = h0 * a4 + h1 * a3 + h2 * a2 + h3 * a1 + h4 * a0;
  d1 += d0 >> 26;
  d2 += d1 >> 26;
  d3 += d2 >> 26;
  d4 += d3 >> 26;
  h0 = (d0 & mask26) + (d4 >> 26) * 5;
  h1 = (d1 & mask26) + (h0 >> 26);
  h0 &= mask26;
  h2 = d2 & mask26;
  h3 = d3 & mask26;
  h4 = d4 & mask26;
}

function keepLimbs(at: usize): void {
  store<u64>(at, h0);
  store<u64>(at, h1, 8);
  store<u64>(at, h2, 16);
  store<u64>(at, h3, 24);
  store<u64>(at, h4, 32);
}

/** Starts a message under the key at polyKey(): clamps r and prepares its powers. */
export function polyInit(): void {
  const low = load<u64>(key) & 0x0ffffffc0fffffff;
  const high = load<u64>(key, 8) & 0x0ffffffc0ffffffc;
  h0 = low & mask26;
  h1 = (low >> 26) & mask26;
  h2 = ((low >> 52) | (high << 12)) & mask26;
  h3 = (high >> 14) & mask26;
  h4 = high >> 40;
  keepLimbs(r1);
  h0 = h1 = h2 = h3 = h4 = 0;
  powersReady = false;
}

let powersReady = false;

function preparePowers(): void {
  const k0 = h0;
  const k1 = h1;
  const k2 = h2;
  const k3 = h3;
  const k4 = h4;
  h0 = load<u64>(r1);
  h1 = load<u64>(r1, 8);
  h2 = load<u64>(r1, 16);
  h3 = load<u64>(r1, 24);
  h4 = load<u64>(r1, 32);
  multiply(r1);
  keepLimbs(r2);
  multiply(r2);
  keepLimbs(r4);
  for (let i: usize = 0; i < 5; i++) {
    const fourth = load<u32>(r4 + i * 8);
    const second = load<u32>(r2 + i * 8);
    const at = powers + i * 16;
    store<u32>(at, fourth);
    store<u32>(at, fourth, 4);
    store<u32>(at, second, 8);
    store<u32>(at, second, 12);
    v128.store(at, i32x4.mul(v128.load(at), i32x4.splat(5)), 80);
  }
  h0 = k0;
  h1 = k1;
  h2 = k2;
  h3 = k3;
  h4 = k4;
  powersReady = true;
}

function block(low: u64, high: u64, top: u64): void {
  h0 += low & mask26;
  h1 += (low >> 26) & mask26;
  h2 += ((low >> 52) | (high << 12)) & mask26;
  h3 += (high >> 14) & mask26;
  h4 += (high >> 40) | top;
  multiply(r1);
}

/** Products of both halves of two packed vectors: (a.low * b.low) + (a.high * b.high). */
// @ts-ignore: decorator
@inline
function product(a: v128, b: v128): v128 {
  return i64x2.add(i64x2.extmul_low_i32x4_u(a, b), i64x2.extmul_high_i32x4_u(a, b));
}

/** Whole blocks of 64 bytes. Returns the address behind them. */
function blocksOf64(from: usize, to: usize): usize {
  if (!powersReady) preparePowers();
  const mask = i64x2.splat(mask26);
  const top = i64x2.splat(blockBit);
  // A lane's first value counts before its first multiplication, so h joins the first pair: the step below
  // multiplies lanes by r^4 and the pair by r^2, which is h * r^2 when h is added to the pair.
  let l0 = i64x2.splat(0);
  let l1 = i64x2.splat(0);
  let l2 = i64x2.splat(0);
  let l3 = i64x2.splat(0);
  let l4 = i64x2.splat(0);
  let e0 = i64x2.replace_lane(l0, 0, h0);
  let e1 = i64x2.replace_lane(l0, 0, h1);
  let e2 = i64x2.replace_lane(l0, 0, h2);
  let e3 = i64x2.replace_lane(l0, 0, h3);
  let e4 = i64x2.replace_lane(l0, 0, h4);
  let at = from;
  while (at + 64 <= to) {
    let first = v128.load(at);
    let second = v128.load(at, 16);
    let low = v128.shuffle<u64>(first, second, 0, 2);
    let high = v128.shuffle<u64>(first, second, 1, 3);
    // [lane0, lane1, pair0, pair1] as u32.
    const a0 = v128.shuffle<u32>(l0, i64x2.add(e0, v128.and(low, mask)), 0, 2, 4, 6);
    const a1 = v128.shuffle<u32>(l1, i64x2.add(e1, v128.and(i64x2.shr_u(low, 26), mask)), 0, 2, 4, 6);
    const a2 = v128.shuffle<u32>(
      l2,
      i64x2.add(e2, v128.and(v128.or(i64x2.shr_u(low, 52), i64x2.shl(high, 12)), mask)),
      0, 2, 4, 6,
    );
    const a3 = v128.shuffle<u32>(l3, i64x2.add(e3, v128.and(i64x2.shr_u(high, 14), mask)), 0, 2, 4, 6);
    const a4 = v128.shuffle<u32>(l4, i64x2.add(e4, v128.or(i64x2.shr_u(high, 40), top)), 0, 2, 4, 6);
    e0 = e1 = e2 = e3 = e4 = i64x2.splat(0);

    first = v128.load(at, 32);
    second = v128.load(at, 48);
    low = v128.shuffle<u64>(first, second, 0, 2);
    high = v128.shuffle<u64>(first, second, 1, 3);

    const p0 = v128.load(powers);
    const p1 = v128.load(powers, 16);
    const p2 = v128.load(powers, 32);
    const p3 = v128.load(powers, 48);
    const p4 = v128.load(powers, 64);
    const q1 = v128.load(powers, 96);
    const q2 = v128.load(powers, 112);
    const q3 = v128.load(powers, 128);
    const q4 = v128.load(powers, 144);

    let d0 = i64x2.add(product(a0, p0), product(a1, q4));
    d0 = i64x2.add(d0, product(a2, q3));
    d0 = i64x2.add(d0, product(a3, q2));
    d0 = i64x2.add(d0, product(a4, q1));
    d0 = i64x2.add(d0, v128.and(low, mask));

    let d1 = i64x2.add(product(a0, p1), product(a1, p0));
    d1 = i64x2.add(d1, product(a2, q4));
    d1 = i64x2.add(d1, product(a3, q3));
    d1 = i64x2.add(d1, product(a4, q2));
    d1 = i64x2.add(d1, v128.and(i64x2.shr_u(low, 26), mask));

    let d2 = i64x2.add(product(a0, p2), product(a1, p1));
    d2 = i64x2.add(d2, product(a2, p0));
    d2 = i64x2.add(d2, product(a3, q4));
    d2 = i64x2.add(d2, product(a4, q3));
    d2 = i64x2.add(d2, v128.and(v128.or(i64x2.shr_u(low, 52), i64x2.shl(high, 12)), mask));

    let d3 = i64x2.add(product(a0, p3), product(a1, p2));
    d3 = i64x2.add(d3, product(a2, p1));
    d3 = i64x2.add(d3, product(a3, p0));
    d3 = i64x2.add(d3, product(a4, q4));
    d3 = i64x2.add(d3, v128.and(i64x2.shr_u(high, 14), mask));

    let d4 = i64x2.add(product(a0, p4), product(a1, p3));
    d4 = i64x2.add(d4, product(a2, p2));
    d4 = i64x2.add(d4, product(a3, p1));
    d4 = i64x2.add(d4, product(a4, p0));
    d4 = i64x2.add(d4, v128.or(i64x2.shr_u(high, 40), top));

    d1 = i64x2.add(d1, i64x2.shr_u(d0, 26));
    d4 = i64x2.add(d4, i64x2.shr_u(d3, 26));
    const carry = i64x2.shr_u(d4, 26);
    l0 = i64x2.add(v128.and(d0, mask), i64x2.add(carry, i64x2.shl(carry, 2)));
    d2 = i64x2.add(d2, i64x2.shr_u(d1, 26));
    l1 = i64x2.add(v128.and(d1, mask), i64x2.shr_u(l0, 26));
    l0 = v128.and(l0, mask);
    l3 = i64x2.add(v128.and(d3, mask), i64x2.shr_u(d2, 26));
    l2 = v128.and(d2, mask);
    l4 = i64x2.add(v128.and(d4, mask), i64x2.shr_u(l3, 26));
    l3 = v128.and(l3, mask);
    at += 64;
  }

  h0 = i64x2.extract_lane(l0, 0);
  h1 = i64x2.extract_lane(l1, 0);
  h2 = i64x2.extract_lane(l2, 0);
  h3 = i64x2.extract_lane(l3, 0);
  h4 = i64x2.extract_lane(l4, 0);
  multiply(r1);
  h0 += i64x2.extract_lane(l0, 1);
  h1 += i64x2.extract_lane(l1, 1);
  h2 += i64x2.extract_lane(l2, 1);
  h3 += i64x2.extract_lane(l3, 1);
  h4 += i64x2.extract_lane(l4, 1);
  multiply(r1);
  return at;
}

/** Takes `length` bytes at polyInput(), a multiple of 16. */
export function polyUpdate(length: usize): void {
  let at = input;
  const to = input + length;
  if (length >= 256) at = blocksOf64(at, to);
  for (; at < to; at += 16) block(load<u64>(at), load<u64>(at, 8), blockBit);
}

/** Takes the last `length` bytes at polyInput(), any number up to 65536, and puts the tag at polyTag(). */
export function polyFinal(length: usize): void {
  const whole = length & ~15;
  polyUpdate(whole);
  const rest = length - whole;
  if (rest > 0) {
    const at = input + whole;
    memory.fill(at + rest, 0, 16 - rest);
    store<u8>(at + rest, 1);
    block(load<u64>(at), load<u64>(at, 8), 0);
  }
  // Two passes of carries leave each limb below 2^26.
  for (let pass = 0; pass < 2; pass++) {
    h1 += h0 >> 26;
    h0 &= mask26;
    h2 += h1 >> 26;
    h1 &= mask26;
    h3 += h2 >> 26;
    h2 &= mask26;
    h4 += h3 >> 26;
    h3 &= mask26;
    h0 += (h4 >> 26) * 5;
    h4 &= mask26;
  }
  h1 += h0 >> 26;
  h0 &= mask26;
  // h - p = h + 5 - 2^130: taken when h + 5 reaches 2^130.
  let g = h0 + 5;
  let carry = g >> 26;
  const g0 = g & mask26;
  g = h1 + carry;
  carry = g >> 26;
  const g1 = g & mask26;
  g = h2 + carry;
  carry = g >> 26;
  const g2 = g & mask26;
  g = h3 + carry;
  carry = g >> 26;
  const g3 = g & mask26;
  g = h4 + carry;
  const reduced = g >> 26 != 0;
  const f0 = reduced ? g0 : h0;
  const f1 = reduced ? g1 : h1;
  const f2 = reduced ? g2 : h2;
  const f3 = reduced ? g3 : h3;
  const f4 = reduced ? g & mask26 : h4;
  const low = f0 | (f1 << 26) | (f2 << 52);
  const high = (f2 >> 12) | (f3 << 14) | (f4 << 40);
  const s0 = load<u64>(key, 16);
  const s1 = load<u64>(key, 24);
  const t0 = low + s0;
  store<u64>(tag, t0);
  store<u64>(tag, high + s1 + u64(t0 < low), 8);
}
