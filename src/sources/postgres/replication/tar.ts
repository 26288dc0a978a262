import { type ByteString, bytesOfBuffer } from '../../../core/bytestring.ts';
import { LifeboatError } from '../../../core/errors.ts';

/** Archives as the server makes them: ustar of POSIX 1003.1-2008 with GNU's binary numbers (src/port/tar.c). */

export interface TarEntry {
  /** Without a slash at its end. */
  readonly path: ByteString;
  readonly type: 'file' | 'dir' | 'symlink';
  /** Permission bits, 07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Bytes; 0 where the entry is no file. */
  readonly size: number;
  /** Of symlinks. */
  readonly linkTarget: ByteString | null;
  /**
   * Exactly `size` bytes, consumed before the next entry is asked for; what is not taken is skipped. A piece may be
   * overwritten once the next is asked for.
   */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** The next bytes of an archive, or null at its end. */
type Pull = () => Promise<Buffer | null>;

const blockBytes = 512;

function broken(problem: string): LifeboatError {
  return new LifeboatError('database-failed', `the server sent an archive that cannot be read: ${problem}`);
}

function textField(header: Buffer, start: number, length: number): ByteString {
  const end = header.subarray(start, start + length).indexOf(0);
  return bytesOfBuffer(header.subarray(start, start + (end === -1 ? length : end)));
}

/** Octal digits, or a binary number where the highest bit is set. */
function numberField(header: Buffer, start: number, length: number): number {
  if (header[start]! & 0x80) {
    let value = header[start]! & 0x7f;
    for (let at = start + 1; at < start + length; at++) value = value * 256 + header[at]!;
    if (!Number.isSafeInteger(value)) throw broken('a number is too large');
    return value;
  }
  const digits = textField(header, start, length).trim();
  if (!/^[0-7]*$/.test(digits)) throw broken('a number is not octal');
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

const checksumStart = 148;
const checksumLength = 8;

function checkSum(header: Buffer): void {
  let sum = checksumLength * 0x20;
  for (let at = 0; at < blockBytes; at++) {
    if (at < checksumStart || at >= checksumStart + checksumLength) sum += header[at]!;
  }
  if (sum !== numberField(header, checksumStart, checksumLength))
    throw broken('the checksum of a header is wrong');
}

const types: Readonly<Record<string, TarEntry['type']>> = {
  '\0': 'file',
  '0': 'file',
  '2': 'symlink',
  '5': 'dir',
};

type Header = Omit<TarEntry, 'bytes'>;

/** Fields of a header block (POSIX, pax, "ustar Interchange Format"). */
export function parseTarHeader(header: Buffer): Header {
  checkSum(header);
  const letter = String.fromCharCode(header[156]!);
  const type = types[letter];
  if (type === undefined) throw broken(`an entry is of the unknown type "${letter}"`);
  const name = textField(header, 0, 100);
  const prefix = textField(header, 345, 155);
  const path = (prefix === '' ? name : `${prefix}/${name}`).replace(/\/+$/, '') as ByteString;
  if (path === '') throw broken('an entry has no name');
  return {
    path,
    type,
    mode: numberField(header, 100, 8) & 0o7777,
    uid: numberField(header, 108, 8),
    gid: numberField(header, 116, 8),
    size: type === 'file' ? numberField(header, 124, 12) : 0,
    mtime: numberField(header, 136, 12),
    linkTarget: type === 'symlink' ? textField(header, 157, 100) : null,
  };
}

class TarInput {
  readonly #pull: Pull;
  #chunk: Buffer = Buffer.alloc(0);

  constructor(pull: Pull) {
    this.#pull = pull;
  }

  /** At least one byte and at most `length`, without copying. */
  async some(length: number): Promise<Buffer | null> {
    while (this.#chunk.length === 0) {
      const next = await this.#pull();
      if (next === null) return null;
      this.#chunk = next;
    }
    const piece = this.#chunk.length <= length ? this.#chunk : this.#chunk.subarray(0, length);
    this.#chunk = this.#chunk.subarray(piece.length);
    return piece;
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) {
      const piece = await this.some(left);
      if (piece === null) throw broken('it ends in the middle of an entry');
      left -= piece.length;
    }
  }

  /** One block, or null at the end. */
  async block(): Promise<Buffer | null> {
    const first = await this.some(blockBytes);
    if (first === null || first.length === blockBytes) return first;
    const block = Buffer.alloc(blockBytes);
    let filled = first.copy(block);
    while (filled < blockBytes) {
      const piece = await this.some(blockBytes - filled);
      if (piece === null) throw broken('it ends in the middle of a header');
      filled += piece.copy(block, filled);
    }
    return block;
  }
}

/** The entries of one archive, in its order. Blocks of zeros at the end may be missing, as servers before 15 omit them. */
export async function* readTar(pull: Pull): AsyncGenerator<TarEntry, void, void> {
  const input = new TarInput(pull);
  for (let block = await input.block(); block; block = await input.block()) {
    if (block[0] === 0) continue;
    const header = parseTarHeader(block);
    let left = header.size;
    async function* content(): AsyncGenerator<Uint8Array, void, void> {
      while (left > 0) {
        const piece = await input.some(left);
        if (piece === null) throw broken('it ends in the middle of a file');
        left -= piece.length;
        yield piece;
      }
    }
    yield { ...header, bytes: content() };
    const padding = (blockBytes - (header.size % blockBytes)) % blockBytes;
    await input.skip(left + padding);
    left = 0;
  }
}
