/** Poly1305 as RFC 8439 section 2.5.1 writes it, with big integers: slow, and easy to hold against the text. */

const prime = (1n << 130n) - 5n;
const clamp = 0x0ffffffc0ffffffc0ffffffc0fffffffn;

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
  return value;
}

/**
 * @param key r (16 bytes, unclamped) followed by s (16 bytes)
 * @returns the tag, 16 bytes
 */
export function poly1305Twin(key: Uint8Array, message: Uint8Array): Uint8Array {
  const r = littleEndian(key.subarray(0, 16)) & clamp;
  const s = littleEndian(key.subarray(16, 32));
  let accumulator = 0n;
  for (let at = 0; at < message.length; at += 16) {
    const block = message.subarray(at, at + 16);
    const number = littleEndian(block) | (1n << BigInt(8 * block.length));
    accumulator = ((accumulator + number) * r) % prime;
  }
  let sum = accumulator + s;
  const tag = new Uint8Array(16);
  for (let i = 0; i < 16; i++) {
    tag[i] = Number(sum & 0xffn);
    sum >>= 8n;
  }
  return tag;
}
