/**
 * Checksums of PostgreSQL's data pages (src/include/storage/checksum_impl.h): a page is a table of 32 columns
 * of u32, each column a hash of its own; four columns lie in one vector, so that a row is eight of them.
 */

const prime: i32 = 16777619;

/** Where each column's hash begins. */
const seeds = memory.data<u32>(
  [
    0x5b1f36e9, 0xb8525960, 0x02ab50aa, 0x1de66d2a, 0x79ff467a, 0x9bb9f8a3, 0x217e7cd2, 0x83e13d2c,
    0xf8d4474f, 0xe39eb970, 0x42c6ae16, 0x993216fa, 0x7b093b5d, 0x98daff3c, 0xf718902a, 0x0b1c9cdb,
    0xe58f764b, 0x187636bc, 0x5d7b3bb1, 0xe73de7de, 0x92bec979, 0xcca6c0b2, 0x304a0979, 0x85aa43d4,
    0x783125bb, 0x6ca8eaa2, 0xe407eac6, 0x4b5cfc3e, 0x9fbf8c76, 0x15ca20be, 0xf2ca9fd3, 0x959bd756,
  ],
  16,
);

/** Bytes of a row: 32 columns of u32. */
const rowBytes: usize = 128;

// Offsets in a page's header (src/include/storage/bufpage.h, PageHeaderData).
const lsnHighAt: usize = 0;
const lsnLowAt: usize = 4;
const checksumAt: usize = 8;
const upperAt: usize = 14;

// @ts-ignore: decorator
@inline
function mix(sum: v128, value: v128): v128 {
  const mixed = v128.xor(sum, value);
  return v128.xor(i32x4.mul(mixed, i32x4.splat(prime)), i32x4.shr_u(mixed, 17));
}

/** The checksum of the page of `pageBytes`, a multiple of 128, at `page`, as if its own field were zero. */
export function pageSum(page: usize, pageBytes: usize, block: u32): u32 {
  let s0 = v128.load(seeds);
  let s1 = v128.load(seeds, 16);
  let s2 = v128.load(seeds, 32);
  let s3 = v128.load(seeds, 48);
  let s4 = v128.load(seeds, 64);
  let s5 = v128.load(seeds, 80);
  let s6 = v128.load(seeds, 96);
  let s7 = v128.load(seeds, 112);
  // The first row holds the page's own checksum: the low half of its third column.
  s0 = mix(s0, v128.and(v128.load(page), i32x4(-1, -1, 0xffff0000, -1)));
  s1 = mix(s1, v128.load(page, 16));
  s2 = mix(s2, v128.load(page, 32));
  s3 = mix(s3, v128.load(page, 48));
  s4 = mix(s4, v128.load(page, 64));
  s5 = mix(s5, v128.load(page, 80));
  s6 = mix(s6, v128.load(page, 96));
  s7 = mix(s7, v128.load(page, 112));
  const end = page + pageBytes;
  for (let at = page + rowBytes; at < end; at += rowBytes) {
    s0 = mix(s0, v128.load(at));
    s1 = mix(s1, v128.load(at, 16));
    s2 = mix(s2, v128.load(at, 32));
    s3 = mix(s3, v128.load(at, 48));
    s4 = mix(s4, v128.load(at, 64));
    s5 = mix(s5, v128.load(at, 80));
    s6 = mix(s6, v128.load(at, 96));
    s7 = mix(s7, v128.load(at, 112));
  }
  const zero = i32x4.splat(0);
  for (let round = 0; round < 2; round++) {
    s0 = mix(s0, zero);
    s1 = mix(s1, zero);
    s2 = mix(s2, zero);
    s3 = mix(s3, zero);
    s4 = mix(s4, zero);
    s5 = mix(s5, zero);
    s6 = mix(s6, zero);
    s7 = mix(s7, zero);
  }
  const folded = v128.xor(
    v128.xor(v128.xor(s0, s1), v128.xor(s2, s3)),
    v128.xor(v128.xor(s4, s5), v128.xor(s6, s7)),
  );
  const sum: u32 =
    i32x4.extract_lane(folded, 0) ^
    i32x4.extract_lane(folded, 1) ^
    i32x4.extract_lane(folded, 2) ^
    i32x4.extract_lane(folded, 3);
  return ((sum ^ block) % 65535) + 1;
}

function isZero(page: usize, pageBytes: usize): bool {
  const end = page + pageBytes;
  for (let at = page; at < end; at += 32) {
    if (v128.any_true(v128.or(v128.load(at), v128.load(at, 16)))) return false;
  }
  return true;
}

/**
 * The first of the pages from number `page` to before `pages` whose checksum is wrong, or -1. The pages lie one
 * after the other from `input` on. Not judged: pages of zeros, which are new, and pages whose LSN is at least
 * `notFrom`. @param firstBlock block number of page 0
 */
export function pageScan(
  input: usize,
  page: u32,
  pages: u32,
  pageBytes: usize,
  firstBlock: u32,
  notFromHigh: u32,
  notFromLow: u32,
): i32 {
  const notFrom = ((notFromHigh as u64) << 32) | (notFromLow as u64);
  for (let number = page; number < pages; number++) {
    const at = input + (number as usize) * pageBytes;
    if (load<u16>(at, upperAt) == 0 && isZero(at, pageBytes)) continue;
    const lsn = ((load<u32>(at, lsnHighAt) as u64) << 32) | (load<u32>(at, lsnLowAt) as u64);
    if (lsn >= notFrom) continue;
    if (load<u16>(at, checksumAt) != pageSum(at, pageBytes, firstBlock + number)) return number as i32;
  }
  return -1;
}
