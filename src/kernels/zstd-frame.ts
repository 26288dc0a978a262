const frameMagic = 0xfd2fb528;
const headerBytesMin = 6;

/** Whether the first frame of `src` ends with a checksum of its content (RFC 8878 section 3.1.1.1.1). */
export function frameHasChecksum(src: Uint8Array): boolean {
  if (src.length < headerBytesMin) return false;
  const view = new DataView(src.buffer, src.byteOffset, src.byteLength);
  return view.getUint32(0, true) === frameMagic && (view.getUint8(4) & 0x04) !== 0;
}

/**
 * The content size that the header of the first frame states (RFC 8878 section 3.1.1.1), in bytes.
 *
 * @returns null where it states none, where `src` is no frame, or where it starts with a skippable frame.
 *   A statement is not the truth: it bounds what to allocate, not what decompression yields.
 */
export function frameContentBytes(src: Uint8Array): number | null {
  if (src.length < headerBytesMin) return null;
  const view = new DataView(src.buffer, src.byteOffset, src.byteLength);
  if (view.getUint32(0, true) !== frameMagic) return null;
  const descriptor = view.getUint8(4);
  const singleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const at = 5 + (singleSegment ? 0 : 1) + dictionaryBytes;
  const sizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  if (sizeBytes === 0 || at + sizeBytes > src.length) return null;
  if (sizeBytes === 1) return view.getUint8(at);
  if (sizeBytes === 2) return view.getUint16(at, true) + 256;
  if (sizeBytes === 4) return view.getUint32(at, true);
  return Number(view.getBigUint64(at, true));
}
