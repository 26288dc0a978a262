import assert from 'node:assert/strict';
import { crc32, inflateRawSync } from 'node:zlib';

export interface ZipEntry {
  readonly name: string;
  /** st_mode. */
  readonly mode: number;
  readonly content: Buffer;
}

/** The entries of a zip archive by its central directory (APPNOTE 4.3), each checked against its CRC. */
export function zipEntries(archive: Buffer): ZipEntry[] {
  const end = archive.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  assert.ok(end >= 0, 'no end of a central directory');
  const entries: ZipEntry[] = [];
  let at = archive.readUInt32LE(end + 16);
  for (let left = archive.readUInt16LE(end + 10); left > 0; left--) {
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) =>
      archive.readUInt16LE(at + field),
    );
    const name = archive.toString('utf8', at + 46, at + 46 + nameBytes!);
    const local = archive.readUInt32LE(at + 42);
    const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
    const stored = archive.subarray(start, start + archive.readUInt32LE(at + 20));
    const content = archive.readUInt16LE(at + 10) === 8 ? inflateRawSync(stored) : stored;
    assert.equal(crc32(content), archive.readUInt32LE(at + 16), `${name} has another CRC`);
    entries.push({ name, mode: archive.readUInt32LE(at + 38) >>> 16, content });
    at += 46 + nameBytes! + extraBytes! + commentBytes!;
  }
  return entries;
}
