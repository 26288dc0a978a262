import type { ByteString } from '../core/bytestring.ts';

/**
 * Patterns for one component of a path, with the meaning of Go's filepath.Match: `*`, `?`, `[a-z]`, `[^a-z]`
 * and `\` before a character that stands for itself. Names are bytes; `?` and classes take one character of
 * UTF-8, or one byte where the bytes are not UTF-8 (then read as U+FFFD).
 */
export type ComponentTest = (name: string) => boolean;

const specialCharacters = /[\\[\]*?]/;
const continuation = '[\\x80-\\xbf]';
/** One character of UTF-8 that takes more than one byte. */
const multiByte = `(?:[\\xc2-\\xdf]${continuation}|\\xe0[\\xa0-\\xbf]${continuation}|[\\xe1-\\xec\\xee\\xef]${continuation}{2}|\\xed[\\x80-\\x9f]${continuation}|\\xf0[\\x90-\\xbf]${continuation}{2}|[\\xf1-\\xf3]${continuation}{3}|\\xf4[\\x80-\\x8f]${continuation}{2})`;
const invalidByte = `(?!${multiByte})[\\x80-\\xff]`;
const anyCharacter = `(?:[\\0-\\x7f]|${multiByte}|${invalidByte})`;
const anyBytes = '[^]*?';
const codePointMax = 0x10ffff;
const replacementCharacter = 0xfffd;
/** The largest code point that UTF-8 spells in one, two, three and four bytes. */
const encodedMax = [0x7f, 0x7ff, 0xffff, codePointMax] as const;

/**
 * A test for a component.
 *
 * @returns null for a malformed pattern: an open or empty class, a range without an end, a lone backslash.
 */
export function compileComponent(pattern: ByteString): ComponentTest | null {
  if (!specialCharacters.test(pattern)) return (name) => name === pattern;
  return simpleStars(pattern) ?? compileRegExp(pattern);
}

/** The patterns that people write most: one literal text with stars around it. */
function simpleStars(pattern: string): ComponentTest | null {
  const match = /^(\*?)([^\\[\]*?]*)(\*?)$/.exec(pattern);
  if (match === null) return null;
  const [, before, literal = '', after] = match;
  if (literal === '') return () => true;
  if (before && after) return (name) => name.includes(literal);
  return before ? (name) => name.endsWith(literal) : (name) => name.startsWith(literal);
}

function compileRegExp(pattern: string): ComponentTest | null {
  const chunks: string[] = [''];
  let at = 0;
  while (at < pattern.length) {
    const unit = pattern[at]!;
    if (unit === '*') {
      chunks.push('');
      at += 1;
      continue;
    }
    const piece = readPiece(pattern, at);
    if (piece === null) return null;
    chunks[chunks.length - 1] += piece.source;
    at = piece.end;
  }
  const regExp = new RegExp(assemble(chunks));
  return (name) => regExp.test(name);
}

/**
 * Joins what lies between stars. As in Go, each piece but the last takes the first place where it fits and
 * never another one; the lookahead with its back reference says so, and keeps the search from exploding.
 */
function assemble([head = '', ...chunks]: readonly string[]): string {
  const last = chunks.pop();
  if (last === undefined) return `^${head}$`;
  const middle = chunks
    .filter((chunk) => chunk !== '')
    .map((chunk, i) => `(?=(${anyBytes}${chunk}))\\${i + 1}`)
    .join('');
  return `^${head}${middle}${last === '' ? '' : `${anyBytes}${last}$`}`;
}

interface Piece {
  readonly source: string;
  readonly end: number;
}

function readPiece(pattern: string, at: number): Piece | null {
  switch (pattern[at]) {
    case '?':
      return { source: anyCharacter, end: at + 1 };
    case '[':
      return readClass(pattern, at + 1);
    case '\\':
      return at + 1 < pattern.length ? { source: literal(pattern.charCodeAt(at + 1)), end: at + 2 } : null;
    default:
      return { source: literal(pattern.charCodeAt(at)), end: at + 1 };
  }
}

function readClass(pattern: string, start: number): Piece | null {
  let at = start;
  const negated = pattern[at] === '^';
  if (negated) at += 1;
  const alternatives: string[] = [];
  while (alternatives.length === 0 || pattern[at] !== ']') {
    const low = readClassCharacter(pattern, at);
    if (low === null) return null;
    at = low.end;
    let high = low;
    if (pattern[at] === '-') {
      const upper = readClassCharacter(pattern, at + 1);
      if (upper === null) return null;
      high = upper;
      at = upper.end;
    }
    alternatives.push(rangeSource(low.codePoint, high.codePoint));
  }
  const positive = `(?:${alternatives.join('|')})`;
  return { source: negated ? `(?!${positive})${anyCharacter}` : positive, end: at + 1 };
}

interface ClassCharacter {
  readonly codePoint: number;
  readonly end: number;
}

const oneMultiByte = new RegExp(multiByte, 'y');

/** A character inside a class; null where it is missing, is not UTF-8, or nothing follows it. */
function readClassCharacter(pattern: string, start: number): ClassCharacter | null {
  if (start >= pattern.length || pattern[start] === '-' || pattern[start] === ']') return null;
  const at = pattern[start] === '\\' ? start + 1 : start;
  if (at >= pattern.length) return null;
  let codePoint = pattern.charCodeAt(at);
  let end = at + 1;
  if (codePoint >= 0x80) {
    oneMultiByte.lastIndex = at;
    const match = oneMultiByte.exec(pattern);
    if (match === null) return null;
    end = at + match[0].length;
    codePoint = Buffer.from(match[0], 'latin1').toString('utf8').codePointAt(0)!;
  }
  return end < pattern.length ? { codePoint, end } : null;
}

/** A regular expression over bytes for one character of a range; an empty range matches nothing. */
function rangeSource(low: number, high: number): string {
  if (low > high) return '(?!)';
  const sources = byteSequences(low, high);
  const valid = `(?:(?=[\\0-\\x7f]|${multiByte})(?:${sources.join('|')}))`;
  return low <= replacementCharacter && replacementCharacter <= high ? `(?:${valid}|${invalidByte})` : valid;
}

/**
 * The UTF-8 spellings of a range of code points as sequences of byte ranges: the range is cut until all
 * spellings in a part have the same length and differ freely in their last bytes only.
 */
function byteSequences(low: number, high: number): string[] {
  for (const max of encodedMax) {
    if (low <= max && high > max) return [...byteSequences(low, max), ...byteSequences(max + 1, high)];
  }
  if (high > 0x7f) {
    for (let i = 1; i < 4; i++) {
      const mask = (1 << (6 * i)) - 1;
      if ((low & ~mask) === (high & ~mask)) continue;
      if ((low & mask) !== 0) {
        return [...byteSequences(low, low | mask), ...byteSequences((low | mask) + 1, high)];
      }
      if ((high & mask) !== mask) {
        return [...byteSequences(low, (high & ~mask) - 1), ...byteSequences(high & ~mask, high)];
      }
    }
  }
  const first = encode(low);
  const last = encode(high);
  return [first.map((byte, i) => `[${literal(byte)}-${literal(last[i]!)}]`).join('')];
}

/** UTF-8 by arithmetic, because ends of ranges may be surrogates, which no text holds. */
function encode(codePoint: number): number[] {
  const tail = (shift: number): number => 0x80 | ((codePoint >> shift) & 0x3f);
  if (codePoint <= 0x7f) return [codePoint];
  if (codePoint <= 0x7ff) return [0xc0 | (codePoint >> 6), tail(0)];
  if (codePoint <= 0xffff) return [0xe0 | (codePoint >> 12), tail(6), tail(0)];
  return [0xf0 | (codePoint >> 18), tail(12), tail(6), tail(0)];
}

function literal(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}
