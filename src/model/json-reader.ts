import type { ByteString } from '../core/bytestring.ts';
import { LifeboatError } from '../core/errors.ts';
import { goJsonBytes, goJsonText } from './go-text.ts';
import type { U64 } from './node.ts';

/**
 * A reader of JSON that Go wrote, for trees: values are taken straight from the bytes, unsigned numbers keep
 * all 64 bits, strings stay bytes. Not general: it reads what its caller expects at each place.
 */

const depthMax = 10_000;
const quote = 0x22;
const backslash = 0x5c;
const digits64Max = 20;
const u64Max = 2n ** 64n - 1n;
const literals: readonly string[] = ['null', 'true', 'false'];
const numberPattern = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** 1 for the ASCII codes of lower-case hex digits. */
const isHex = new Uint8Array(256);
for (const digit of '0123456789abcdef') isHex[digit.charCodeAt(0)] = 1;

/** 1 for what stands for itself in a string. */
const isPlain = new Uint8Array(256).fill(1, 0x20, 0x7f);
isPlain[quote] = 0;
isPlain[backslash] = 0;

export class JsonReader {
  readonly bytes: Buffer;
  /** Index of the next byte to read. */
  at = 0;
  /** What is read, for messages. */
  readonly subject: string;
  /** Index of the first byte of the string that `skipString` passed last, after its quote. */
  private insideStart = 0;
  private insideEnd = 0;
  private insidePlain = true;

  constructor(bytes: Uint8Array, subject: string) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.subject = subject;
  }

  fail(problem: string, at = this.at): never {
    throw new LifeboatError(
      'repository-damaged',
      `${this.subject} is not readable at byte ${at}: ${problem}`,
    );
  }

  /** The next byte that is not white space, without taking it; -1 at the end. */
  peek(): number {
    const bytes = this.bytes;
    while (this.at < bytes.length) {
      const byte = bytes[this.at]!;
      if (byte > 0x20) return byte;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) this.fail('a control character');
      this.at++;
    }
    return -1;
  }

  expect(byte: number): void {
    if (this.peek() !== byte) this.fail(`expected ${String.fromCharCode(byte)}`);
    this.at++;
  }

  /** Takes `null` when it comes next. */
  takeNull(): boolean {
    if (this.peek() !== 0x6e) return false;
    const bytes = this.bytes;
    const at = this.at;
    if (bytes[at + 1] !== 0x75 || bytes[at + 2] !== 0x6c || bytes[at + 3] !== 0x6c)
      this.fail('expected null');
    this.at += 4;
    return true;
  }

  /** Takes the comma or the closing byte after a member; true when there is another member. */
  takeComma(close: number): boolean {
    const byte = this.peek();
    if (byte !== 0x2c && byte !== close) this.fail(`expected a comma or ${String.fromCharCode(close)}`);
    this.at++;
    return byte === 0x2c;
  }

  /** Takes the closing byte when it comes next: an empty array or object. */
  takeClose(close: number): boolean {
    if (this.peek() !== close) return false;
    this.at++;
    return true;
  }

  private skipString(): void {
    if (this.peek() !== quote) this.fail('expected a string');
    const bytes = this.bytes;
    const length = bytes.length;
    const start = this.at + 1;
    let plain = true;
    let at = start;
    for (; at < length; at++) {
      const byte = bytes[at]!;
      if (byte === quote) {
        this.insideStart = start;
        this.insideEnd = at;
        this.insidePlain = plain;
        this.at = at + 1;
        return;
      }
      if (byte === backslash) {
        plain = false;
        at++;
      } else if (byte < 0x20 || byte > 0x7e) {
        plain = false;
      }
    }
    this.fail('a string without end', start - 1);
  }

  /** A string, as the bytes of its UTF-8. */
  string(): ByteString {
    this.skipString();
    const inside = this.bytes.toString('latin1', this.insideStart, this.insideEnd);
    if (this.insidePlain) return inside as ByteString;
    return goJsonBytes(inside) ?? this.fail('a malformed string', this.insideStart);
  }

  /** A string as text, see `goJsonText`. */
  text(): string {
    this.skipString();
    const inside = this.bytes.toString('latin1', this.insideStart, this.insideEnd);
    if (this.insidePlain) return inside;
    return goJsonText(inside) ?? this.fail('a malformed string', this.insideStart);
  }

  /** Text that mostly equals `likely`: saves making another one. */
  textLike(likely: string): string {
    const bytes = this.bytes;
    const start = this.at + 1;
    const end = start + likely.length;
    if (likely !== '' && bytes[this.at] === quote && bytes[end] === quote) {
      let at = start;
      while (at < end && isPlain[bytes[at]!] === 1 && bytes[at] === likely.charCodeAt(at - start)) at++;
      if (at === end) {
        this.at = end + 1;
        return likely;
      }
    }
    return this.text();
  }

  /** 64 hex digits in quotes. */
  hexId(): string {
    if (this.peek() !== quote) this.fail('expected an ID');
    const bytes = this.bytes;
    const start = this.at + 1;
    const end = start + 64;
    let at = start;
    while (at < end && isHex[bytes[at]!] === 1) at++;
    if (at !== end || bytes[end] !== quote) {
      const text = this.string().toLowerCase();
      if (!/^[0-9a-f]{64}$/.test(text)) this.fail('not an ID', start);
      return text;
    }
    this.at = end + 1;
    return bytes.toString('latin1', start, end);
  }

  /** An unsigned integer below 2^64: a bigint only above 2^53 − 1. */
  u64(): U64 {
    this.peek();
    const bytes = this.bytes;
    const start = this.at;
    let at = start;
    let value = 0;
    let digit = bytes[at]! - 0x30;
    while (digit >= 0 && digit <= 9) {
      value = value * 10 + digit;
      digit = bytes[++at]! - 0x30;
    }
    const count = at - start;
    if (count === 0 || count > digits64Max || (count > 1 && bytes[start] === 0x30))
      this.fail('expected a number');
    const after = bytes[at];
    if (after === 0x2e || after === 0x65 || after === 0x45) this.fail('expected a whole number', start);
    this.at = at;
    if (count <= 15) return value;
    const exact = BigInt(bytes.toString('latin1', start, at));
    if (exact > u64Max) this.fail('a number above 64 bits', start);
    return exact <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(exact) : exact;
  }

  /** An unsigned integer below 2^32. */
  u32(): number {
    const start = this.at;
    const value = this.u64();
    if (value > 0xffffffff) this.fail('a number above 32 bits', start);
    return value as number;
  }

  /** Passes over a value of any kind and returns where it began. */
  skipValue(): number {
    const first = this.peek();
    const start = this.at;
    if (first !== 0x7b && first !== 0x5b) {
      this.skipScalar(first);
      return start;
    }
    const closers: number[] = [];
    do {
      const byte = this.peek();
      const close = closers[closers.length - 1];
      if (byte === 0x7b || byte === 0x5b) {
        if (closers.length >= depthMax) this.fail('nested too deeply');
        closers.push(byte + 2);
        this.at++;
        if (this.peek() !== byte + 2) {
          if (byte === 0x7b) this.skipKey();
          continue;
        }
      } else if (byte !== close) {
        this.skipScalar(byte);
      }
      // A value has ended, or the container is empty: close as many containers as end here.
      while (closers.length > 0) {
        const closer = closers[closers.length - 1]!;
        if (this.peek() === closer) {
          this.at++;
          closers.pop();
          continue;
        }
        this.expect(0x2c);
        if (closer === 0x7d) this.skipKey();
        else if (this.peek() === closer) this.fail('a comma before the end');
        break;
      }
    } while (closers.length > 0);
    return start;
  }

  private skipKey(): void {
    this.skipString();
    this.expect(0x3a);
    const next = this.peek();
    if (next === 0x7d || next === 0x5d) this.fail('expected a value');
  }

  private skipScalar(first: number): void {
    if (first === quote) {
      this.skipString();
      return;
    }
    const start = this.at;
    while (this.at < this.bytes.length && /[-+.\w]/.test(String.fromCharCode(this.bytes[this.at]!)))
      this.at++;
    const text = this.bytes.toString('latin1', start, this.at);
    if (!literals.includes(text) && !numberPattern.test(text)) this.fail('expected a value', start);
  }
}
