import type { ByteString } from '../core/bytestring.ts';
import { isPrintable } from './go-print.ts';

/**
 * Text as Go writes it: strconv.Quote and strconv.Unquote (Go's quote.go) for names, and the strings of
 * encoding/json with HTML escaping (encode.go, appendString; decode.go, unquote). All of it works on byte
 * strings: one UTF-16 unit per byte of UTF-8.
 */

const hexDigits = '0123456789abcdef';
const invalidRune = -1;

/** Set by `decodeRune`: how many bytes the rune takes. */
let runeBytes = 1;

/** The code point at `at`, or `invalidRune` (one byte long) where the bytes are not UTF-8. */
function decodeRune(bytes: string, at: number): number {
  const first = bytes.charCodeAt(at);
  runeBytes = 1;
  if (first < 0x80) return first;
  if (first < 0xc2 || first > 0xf4) return invalidRune;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (at + length > bytes.length) return invalidRune;
  let rune = first & (0xff >> (length + 1));
  for (let i = 1; i < length; i++) {
    const next = bytes.charCodeAt(at + i);
    if ((next & 0xc0) !== 0x80) return invalidRune;
    rune = (rune << 6) | (next & 0x3f);
  }
  if (length === 3 && (rune < 0x800 || (rune >= 0xd800 && rune <= 0xdfff))) return invalidRune;
  if (length === 4 && (rune < 0x10000 || rune > 0x10ffff)) return invalidRune;
  runeBytes = length;
  return rune;
}

function encodeRune(rune: number): string {
  if (rune < 0x80) return String.fromCharCode(rune);
  if (rune < 0x800) return String.fromCharCode(0xc0 | (rune >> 6), 0x80 | (rune & 0x3f));
  if (rune < 0x10000) {
    return String.fromCharCode(0xe0 | (rune >> 12), 0x80 | ((rune >> 6) & 0x3f), 0x80 | (rune & 0x3f));
  }
  return String.fromCharCode(
    0xf0 | (rune >> 18),
    0x80 | ((rune >> 12) & 0x3f),
    0x80 | ((rune >> 6) & 0x3f),
    0x80 | (rune & 0x3f),
  );
}

const hexByte = (byte: number): string => hexDigits[byte >> 4]! + hexDigits[byte & 15]!;

const quotedControl: Readonly<Record<number, string>> = {
  7: '\\a',
  8: '\\b',
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
  34: '\\"',
  92: '\\\\',
};

/** strconv.Quote without the enclosing quotes. */
export function goQuote(bytes: string): string {
  let out = '';
  for (let at = 0; at < bytes.length; at += runeBytes) {
    const rune = decodeRune(bytes, at);
    const short = quotedControl[rune];
    if (short !== undefined) out += short;
    else if (rune === invalidRune) out += `\\x${hexByte(bytes.charCodeAt(at))}`;
    else if (isPrintable(rune)) out += bytes.slice(at, at + runeBytes);
    else if (rune < 0x20 || rune === 0x7f) out += `\\x${hexByte(rune)}`;
    else if (rune < 0x10000) out += `\\u${rune.toString(16).padStart(4, '0')}`;
    else out += `\\U${rune.toString(16).padStart(8, '0')}`;
  }
  return out;
}

const unquotedShort: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
};
const unquotedDigits: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };
const hexPattern = /^[0-9a-fA-F]+$/;
const octalPattern = /^[0-3][0-7][0-7]$/;

/** strconv.Unquote of a text whose enclosing quotes were left out; null where Go finds it malformed. */
export function goUnquote(text: string): ByteString | null {
  let out = '';
  for (let at = 0; at < text.length; ) {
    const unit = text[at]!;
    if (unit === '"' || unit === '\n') return null;
    if (unit !== '\\') {
      out += unit;
      at++;
      continue;
    }
    const kind = text[at + 1] ?? '';
    const short = unquotedShort[kind];
    const digits = unquotedDigits[kind];
    if (short !== undefined) {
      out += short;
      at += 2;
    } else if (digits !== undefined) {
      const hex = text.slice(at + 2, at + 2 + digits);
      if (hex.length < digits || !hexPattern.test(hex)) return null;
      const value = Number.parseInt(hex, 16);
      if (kind === 'x') out += String.fromCharCode(value);
      else if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return null;
      else out += encodeRune(value);
      at += 2 + digits;
    } else {
      const octal = text.slice(at + 1, at + 4);
      if (!octalPattern.test(octal)) return null;
      out += String.fromCharCode(Number.parseInt(octal, 8));
      at += 4;
    }
  }
  return out as ByteString;
}

const jsonShort: Readonly<Record<number, string>> = {
  8: '\\b',
  9: '\\t',
  10: '\\n',
  12: '\\f',
  13: '\\r',
  34: '\\"',
  92: '\\\\',
};

/** The inside of a JSON string as Go's encoding/json writes it, in bytes; invalid bytes become `\ufffd`. */
export function goJsonInside(bytes: string): string {
  let out = '';
  for (let at = 0; at < bytes.length; at += runeBytes) {
    const rune = decodeRune(bytes, at);
    if (rune === invalidRune) out += '\\ufffd';
    else if (rune >= 0x80) {
      if (rune === 0x2028 || rune === 0x2029) out += `\\u202${hexDigits[rune & 15]}`;
      else out += bytes.slice(at, at + runeBytes);
    } else {
      const short = jsonShort[rune];
      if (short !== undefined) out += short;
      else if (rune < 0x20 || rune === 0x3c || rune === 0x3e || rune === 0x26) out += `\\u00${hexByte(rune)}`;
      else out += bytes[at];
    }
  }
  return out;
}

const unpairedSurrogate = /[\ud800-\udfff]/;

/** The same for text; an unpaired surrogate stands for bytes that are not UTF-8. */
export function goJsonInsideOfText(text: string): string {
  if (text.isWellFormed()) return goJsonInside(bytesOfLosslessText(text));
  let out = '';
  for (const character of text) {
    const isUnpaired = character.length === 1 && unpairedSurrogate.test(character);
    out += isUnpaired ? '\\ufffd' : goJsonInside(bytesOfLosslessText(character));
  }
  return out;
}

const jsonUnescaped: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  '/': '/',
  '\\': '\\',
  '"': '"',
};
const fourHex = /^[0-9a-fA-F]{4}$/;

/** The code unit of `\uXXXX` at `at`, or -1. */
function unicodeEscape(inside: string, at: number): number {
  if (inside[at] !== '\\' || inside[at + 1] !== 'u') return -1;
  const hex = inside.slice(at + 2, at + 6);
  return fourHex.test(hex) ? Number.parseInt(hex, 16) : -1;
}

/**
 * The bytes that a JSON string stands for, given what lies between its quotes. Invalid UTF-8 and unpaired
 * surrogates become U+FFFD as in Go. Null where the escapes are malformed or a control character is bare.
 */
export function goJsonBytes(inside: string): ByteString | null {
  let out = '';
  for (let at = 0; at < inside.length; ) {
    const unit = inside.charCodeAt(at);
    if (unit < 0x20) return null;
    if (unit !== 0x5c) {
      const rune = decodeRune(inside, at);
      out += rune === invalidRune ? '\xef\xbf\xbd' : inside.slice(at, at + runeBytes);
      at += runeBytes;
      continue;
    }
    const short = jsonUnescaped[inside[at + 1] ?? ''];
    if (short !== undefined) {
      out += short;
      at += 2;
      continue;
    }
    const high = unicodeEscape(inside, at);
    if (high < 0) return null;
    at += 6;
    if (high < 0xd800 || high > 0xdfff) {
      out += encodeRune(high);
      continue;
    }
    const low = high < 0xdc00 ? unicodeEscape(inside, at) : -1;
    if (low >= 0xdc00 && low <= 0xdfff) {
      out += encodeRune(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
      at += 6;
    } else {
      out += '\xef\xbf\xbd';
    }
  }
  return out as ByteString;
}

const notPlain = /[^\0-\x7f]/;

/**
 * Text for bytes that may not be UTF-8 (user names, attribute names): an invalid byte becomes the unpaired
 * surrogate U+DC00 + byte, so that nothing is lost in memory and the tree says `\ufffd` as restic's does.
 */
export function losslessText(bytes: string): string {
  if (!notPlain.test(bytes)) return bytes;
  let out = '';
  for (let at = 0; at < bytes.length; at += runeBytes) {
    const rune = decodeRune(bytes, at);
    out +=
      rune === invalidRune ? String.fromCharCode(0xdc00 + bytes.charCodeAt(at)) : String.fromCodePoint(rune);
  }
  return out;
}

/** Stands in text for `\\ufffd` in JSON: bytes that were not UTF-8 when Go wrote them, lost since. */
const lostBytes = '\udffd';
const jsonEscapes = /\\(?:u.{4}|.)/gs;

/**
 * The text that a JSON string stands for, given what lies between its quotes, so that the same bytes come of
 * writing it again. Null as for `goJsonBytes`.
 */
export function goJsonText(inside: string): string | null {
  const parts: string[] = [];
  let start = 0;
  for (const { 0: found, index } of inside.includes('\\ufffd') ? inside.matchAll(jsonEscapes) : []) {
    if (found !== '\\ufffd') continue;
    parts.push(inside.slice(start, index));
    start = index + found.length;
  }
  parts.push(inside.slice(start));
  const texts: string[] = [];
  for (const part of parts) {
    const bytes = goJsonBytes(part);
    if (bytes === null) return null;
    texts.push(losslessText(bytes));
  }
  return texts.join(lostBytes);
}

/** The reverse of `losslessText`; what is lost comes out as U+FFFD. */
export function bytesOfLosslessText(text: string): ByteString {
  if (!notPlain.test(text)) return text as ByteString;
  let out = '';
  for (const character of text) {
    const rune = character.codePointAt(0)!;
    if (rune >= 0xdc80 && rune <= 0xdcff) out += String.fromCharCode(rune - 0xdc00);
    else if (rune >= 0xd800 && rune <= 0xdfff) out += '\xef\xbf\xbd';
    else out += encodeRune(rune);
  }
  return out as ByteString;
}
