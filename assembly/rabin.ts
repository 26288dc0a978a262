/**
 * The scan of restic's chunker: where does the Rabin fingerprint of the last 64 bytes, modulo a polynomial
 * P of degree 53, have its low 20 bits all zero?
 *
 * The window is all the state there is, so a scan can start anywhere. Sixteen stretches of the data, called
 * lanes, are scanned side by side: vector k holds byte k of each lane's state, where the state is the
 * fingerprint times x^3, because 56 bits are seven whole bytes and the byte that leaves on top is one vector.
 * Multiplying by x^8 is then a renaming of vectors; what leaves on top, and the byte that leaves the window,
 * come back reduced modulo P. Both maps are linear, so each is two lookups by nibble, and a lookup of 16
 * lanes in a table of 16 entries is one swizzle.
 */

const window: usize = 64;

/** Of 20 bits: as restic cuts. */
let cutMask: u64 = 0xfffff;
/** The part of the mask that lies in the third byte of the state. */
let thirdByteMask: i8 = 0x7f;

/**
 * Filled by the host:
 *   0     256 x u64  out[b] = b * x^512 mod P
 *   2048  256 x u64  mod[b] = (b * x^53 mod P) | (b << 53)
 *   4096  for each byte k of the state, 64 bytes: entry n is byte k of
 *         n * x^53 mod P, (n << 4) * x^53 mod P, n * x^512 mod P, (n << 4) * x^512 mod P, all times x^3
 */
const tables = memory.data(2048 + 2048 + 7 * 64, 64);

/** Five blocks of 16 rows: the sixteen lanes' next byte in each row. Four are the window, one is being read. */
const blockBytes: usize = 256;
const rows = memory.data(5 * 256, 64);

/** Bytes of a lane. An odd multiple of a cache line, or all lanes would fall into the same cache set. */
const laneBytesMax: usize = 65 * 64;
const laneBytesMin: usize = 256;
/** Lanes of finer cuts are shorter: what was scanned behind a cut is scanned again for the next one. */
let laneBytesUsed: usize = laneBytesMax;

/** A cut is where this many low bits are zero: 13 to 20. Holds for all later scans of this instance. */
export function rabinAverage(bits: i32): void {
  cutMask = (<u64>1 << bits) - 1;
  const inThirdByte: i32 = (1 << (bits - 13)) - 1;
  thirdByteMask = <i8>inThirdByte;
  const laneBytes = ((<usize>1 << <usize>(bits - 10)) + 1) * 64;
  laneBytesUsed = laneBytes < laneBytesMax ? laneBytes : laneBytesMax;
}

export function rabinTables(): usize {
  return tables;
}

/** One byte at a time. The first position p in from..to where a cut may be, else 0. */
function scanPlain(from: usize, to: usize): usize {
  let digest: u64 = 0;
  for (let at = from - window; at < from; at++) {
    digest = ((digest << 8) | u64(load<u8>(at))) ^ load<u64>(tables + ((<usize>(digest >> 45)) << 3), 2048);
  }
  let at = from;
  while ((digest & cutMask) != 0) {
    if (at == to) return 0;
    digest =
      ((digest << 8) | u64(load<u8>(at))) ^
      load<u64>(tables + ((<usize>(digest >> 45)) << 3), 2048) ^
      load<u64>(tables + ((<usize>load<u8>(at - window)) << 3));
    at++;
  }
  return at;
}

/** Reads 16 bytes of each lane and stores them as 16 rows of one byte of each lane. */
// @ts-ignore: decorator
@inline
function transpose(at: usize, stride: usize, block: usize): void {
  let p = at;
  const a0 = v128.load(p);
  const a1 = v128.load((p += stride));
  const a2 = v128.load((p += stride));
  const a3 = v128.load((p += stride));
  const a4 = v128.load((p += stride));
  const a5 = v128.load((p += stride));
  const a6 = v128.load((p += stride));
  const a7 = v128.load((p += stride));
  const a8 = v128.load((p += stride));
  const a9 = v128.load((p += stride));
  const aa = v128.load((p += stride));
  const ab = v128.load((p += stride));
  const ac = v128.load((p += stride));
  const ad = v128.load((p += stride));
  const ae = v128.load((p += stride));
  const af = v128.load((p += stride));

  // Interleaving lane n with lane n + 8, four times over, sorts the bytes by row.
  const b0 = low(a0, a8);
  const b1 = high(a0, a8);
  const b2 = low(a1, a9);
  const b3 = high(a1, a9);
  const b4 = low(a2, aa);
  const b5 = high(a2, aa);
  const b6 = low(a3, ab);
  const b7 = high(a3, ab);
  const b8 = low(a4, ac);
  const b9 = high(a4, ac);
  const ba = low(a5, ad);
  const bb = high(a5, ad);
  const bc = low(a6, ae);
  const bd = high(a6, ae);
  const be = low(a7, af);
  const bf = high(a7, af);

  const c0 = low(b0, b8);
  const c1 = high(b0, b8);
  const c2 = low(b1, b9);
  const c3 = high(b1, b9);
  const c4 = low(b2, ba);
  const c5 = high(b2, ba);
  const c6 = low(b3, bb);
  const c7 = high(b3, bb);
  const c8 = low(b4, bc);
  const c9 = high(b4, bc);
  const ca = low(b5, bd);
  const cb = high(b5, bd);
  const cc = low(b6, be);
  const cd = high(b6, be);
  const ce = low(b7, bf);
  const cf = high(b7, bf);

  const d0 = low(c0, c8);
  const d1 = high(c0, c8);
  const d2 = low(c1, c9);
  const d3 = high(c1, c9);
  const d4 = low(c2, ca);
  const d5 = high(c2, ca);
  const d6 = low(c3, cb);
  const d7 = high(c3, cb);
  const d8 = low(c4, cc);
  const d9 = high(c4, cc);
  const da = low(c5, cd);
  const db = high(c5, cd);
  const dc = low(c6, ce);
  const dd = high(c6, ce);
  const de = low(c7, cf);
  const df = high(c7, cf);

  v128.store(block, low(d0, d8));
  v128.store(block, high(d0, d8), 16);
  v128.store(block, low(d1, d9), 32);
  v128.store(block, high(d1, d9), 48);
  v128.store(block, low(d2, da), 64);
  v128.store(block, high(d2, da), 80);
  v128.store(block, low(d3, db), 96);
  v128.store(block, high(d3, db), 112);
  v128.store(block, low(d4, dc), 128);
  v128.store(block, high(d4, dc), 144);
  v128.store(block, low(d5, dd), 160);
  v128.store(block, high(d5, dd), 176);
  v128.store(block, low(d6, de), 192);
  v128.store(block, high(d6, de), 208);
  v128.store(block, low(d7, df), 224);
  v128.store(block, high(d7, df), 240);
}

// @ts-ignore: decorator
@inline
function low(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// @ts-ignore: decorator
@inline
function high(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/** What leaves on top of the state, reduced: byte k of the map at `at`. */
// @ts-ignore: decorator
@inline
function lookup(at: usize, lower: v128, upper: v128): v128 {
  return v128.xor(
    i8x16.relaxed_swizzle(v128.load(tables + at, 4096), lower),
    i8x16.relaxed_swizzle(v128.load(tables + at, 4096 + 16), upper),
  );
}

/**
 * Sixteen lanes from `from`, each `laneBytes` long (a multiple of 16): the first position in
 * from+1 .. from+16*laneBytes where a cut may be, else 0.
 */
function scanLanes(from: usize, laneBytes: usize): usize {
  const nibble = i8x16.splat(0x0f);
  const lowBits = i8x16.splat(0x07);
  const highBits = i8x16.splat(<i8>0xf8);
  const third = i8x16.splat(thirdByteMask);
  let s0 = i8x16.splat(0);
  let s1 = i8x16.splat(0);
  let s2 = i8x16.splat(0);
  let s3 = i8x16.splat(0);
  let s4 = i8x16.splat(0);
  let s5 = i8x16.splat(0);
  let s6 = i8x16.splat(0);

  let at = from - window;
  for (let block = rows; block < rows + 4 * blockBytes; block += blockBytes) {
    transpose(at, laneBytes, block);
    at += 16;
    for (let row = block; row < block + blockBytes; row += 16) {
      const fresh = v128.load(row);
      const lower = v128.and(s6, nibble);
      const upper = v128.and(i16x8.shr_u(s6, 4), nibble);
      s6 = v128.xor(s5, lookup(384, lower, upper));
      s5 = v128.xor(s4, lookup(320, lower, upper));
      s4 = v128.xor(s3, lookup(256, lower, upper));
      s3 = v128.xor(s2, lookup(192, lower, upper));
      s2 = v128.xor(s1, lookup(128, lower, upper));
      s1 = v128.xor(v128.xor(s0, v128.and(i16x8.shr_u(fresh, 5), lowBits)), lookup(64, lower, upper));
      s0 = v128.xor(v128.and(i16x8.shl(fresh, 3), highBits), lookup(0, lower, upper));
    }
  }

  let lane: i32 = 16;
  let found: usize = 0;
  let block: usize = rows + 4 * blockBytes;
  const to = from + laneBytes;
  while (at < to) {
    transpose(at, laneBytes, block);
    const next = block == rows + 4 * blockBytes ? rows : block + blockBytes;
    let least = i8x16.splat(-1);
    for (let row: usize = 0; row < blockBytes; row += 16) {
      const fresh = v128.load(block + row);
      const stale = v128.load(next + row);
      const lower = v128.and(s6, nibble);
      const upper = v128.and(i16x8.shr_u(s6, 4), nibble);
      const staleLower = v128.and(stale, nibble);
      const staleUpper = v128.and(i16x8.shr_u(stale, 4), nibble);
      s6 = v128.xor(v128.xor(s5, lookup(416, staleLower, staleUpper)), lookup(384, lower, upper));
      s5 = v128.xor(v128.xor(s4, lookup(352, staleLower, staleUpper)), lookup(320, lower, upper));
      s4 = v128.xor(v128.xor(s3, lookup(288, staleLower, staleUpper)), lookup(256, lower, upper));
      s3 = v128.xor(v128.xor(s2, lookup(224, staleLower, staleUpper)), lookup(192, lower, upper));
      s2 = v128.xor(v128.xor(s1, lookup(160, staleLower, staleUpper)), lookup(128, lower, upper));
      s1 = v128.xor(
        v128.xor(v128.xor(s0, v128.and(i16x8.shr_u(fresh, 5), lowBits)), lookup(96, staleLower, staleUpper)),
        lookup(64, lower, upper),
      );
      s0 = v128.xor(
        v128.xor(v128.and(i16x8.shl(fresh, 3), highBits), lookup(32, staleLower, staleUpper)),
        lookup(0, lower, upper),
      );
      least = i8x16.min_u(least, v128.or(v128.or(s0, s1), v128.and(s2, third)));
    }
    block = next;
    // A lane's first hit comes first in time, and a lower lane's hit lies before any of a higher lane.
    const hits = i8x16.bitmask(i8x16.eq(least, i8x16.splat(0)));
    if (hits != 0) {
      const first = ctz(hits);
      if (first < lane) {
        lane = first;
        found = at;
        if (first == 0) break;
      }
    }
    at += 16;
  }
  if (lane == 16) return 0;
  found += <usize>lane * laneBytes;
  return scanPlain(found + 1, found + 16);
}

/** The first position p in from..to where the 64 bytes before p end a chunk, else 0. from - 64 must be data. */
export function rabinScan(from: usize, to: usize): usize {
  if (from > to) return 0;
  let cut = scanPlain(from, from);
  if (cut != 0) return cut;
  let at = from;
  while (to - at >= 16 * laneBytesMin) {
    const rest = ((to - at) >> 4) & ~15;
    const laneBytes = rest < laneBytesUsed ? rest : laneBytesUsed;
    cut = scanLanes(at, laneBytes);
    if (cut != 0) return cut;
    at += 16 * laneBytes;
  }
  return scanPlain(at, to);
}
