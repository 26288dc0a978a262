import { randomFillSync, timingSafeEqual } from 'node:crypto';
import { createCtr, createEcb } from '../kernels/aes.ts';
import { poly1305 } from '../kernels/poly1305.ts';

/**
 * The repository's envelope: IV (16 bytes) ‖ AES-256-CTR ciphertext ‖ Poly1305-AES tag (16 bytes).
 * The tag covers the ciphertext only; s = AES-128_k(IV); r is stored unmasked
 * (restic doc/design.rst "Keys, Encryption and MAC", internal/repository/crypto/crypto.go).
 */
export const ivBytes = 16;
export const tagBytes = 16;
export const sealOverheadBytes = ivBytes + tagBytes;

export interface MasterKey {
  /** 32 bytes. */
  readonly encryption: Buffer;
  /** 16 bytes. */
  readonly macK: Buffer;
  /** 16 bytes, not clamped. */
  readonly macR: Buffer;
}

export interface Sealer {
  /**
   * Writes the envelope of `plaintext` to `target` from `offset`; needs `sealOverheadBytes` more than the
   * plaintext. Returns the bytes written.
   */
  sealInto(target: Uint8Array, offset: number, plaintext: Uint8Array): number;
  seal(plaintext: Uint8Array): Buffer;
  /**
   * Decrypts an envelope into `target` (default: a new buffer).
   * @returns the plaintext, or null where the tag does not match: damaged, or another key.
   */
  open(sealed: Uint8Array, target?: Uint8Array): Uint8Array | null;
}

/** Random bytes are drawn in bulk: one draw per blob would cost more than encrypting a small one. */
function createIvSource(): () => Uint8Array {
  const pool = Buffer.allocUnsafeSlow(4096);
  let next = pool.length;
  return () => {
    if (next === pool.length) {
      randomFillSync(pool);
      next = 0;
    }
    next += ivBytes;
    return pool.subarray(next - ivBytes, next);
  };
}

export function createSealer(key: MasterKey): Sealer {
  const ctr = createCtr(key.encryption);
  const ecb = createEcb(key.macK);
  const nextIv = createIvSource();
  const oneTimeKey = Buffer.alloc(32);
  key.macR.copy(oneTimeKey, 0);
  const oneTimeS = oneTimeKey.subarray(16);
  const tag = Buffer.alloc(tagBytes);

  /** The tag is in memory that the next call fills again. */
  const tagOf = (iv: Uint8Array, ciphertext: Uint8Array): Uint8Array => {
    ecb.encrypt(iv, oneTimeS);
    return poly1305(oneTimeKey, ciphertext, tag);
  };

  function sealInto(target: Uint8Array, offset: number, plaintext: Uint8Array): number {
    const iv = nextIv();
    const bodyStart = offset + ivBytes;
    const bodyEnd = bodyStart + plaintext.length;
    target.set(iv, offset);
    const body = target.subarray(bodyStart, bodyEnd);
    ctr.crypt(iv, plaintext, body);
    target.set(tagOf(iv, body), bodyEnd);
    return plaintext.length + sealOverheadBytes;
  }

  return {
    sealInto,
    seal(plaintext) {
      const target = Buffer.allocUnsafe(plaintext.length + sealOverheadBytes);
      sealInto(target, 0, plaintext);
      return target;
    },
    open(sealed, target) {
      const bodyBytes = sealed.length - sealOverheadBytes;
      if (bodyBytes < 0) return null;
      const iv = sealed.subarray(0, ivBytes);
      const body = sealed.subarray(ivBytes, ivBytes + bodyBytes);
      if (!timingSafeEqual(tagOf(iv, body), sealed.subarray(ivBytes + bodyBytes))) return null;
      const plaintext = target ? target.subarray(0, bodyBytes) : Buffer.allocUnsafe(bodyBytes);
      ctr.crypt(iv, body, plaintext);
      return plaintext;
    },
  };
}
