/** AES-256 in counter mode (NIST SP 800-38A section 6.5). */
export interface Ctr {
  /**
   * Encrypts or decrypts (the same operation) `src` into the first `src.length` bytes of `dst`. Both may be
   * the very same bytes; otherwise they must not overlap.
   *
   * @param iv 16 bytes: the first counter block, counted up as one big-endian number of 128 bits
   * @throws RangeError when `dst` is shorter than `src` or the IV has another length
   */
  crypt(iv: Uint8Array, src: Uint8Array, dst: Uint8Array): void;
}

/** AES-128 of single blocks, as Poly1305-AES needs it for s = AES_k(IV). */
export interface Ecb {
  /**
   * @param block 16 bytes
   * @param out receives 16 bytes; a new array when left out
   * @returns `out` or the new array
   */
  encrypt(block: Uint8Array, out?: Uint8Array): Uint8Array;
}

export const ctrKeyBytes = 32;
export const ecbKeyBytes = 16;
export const blockBytes = 16;
