import { createCipheriv } from 'node:crypto';
import { blockBytes, type Ctr, type Ecb } from './cipher.ts';

/** `node:crypto`: one cipher object for each call, because none can be given another IV. */
export function createNodeCtr(key: Uint8Array): Ctr {
  const ownKey = Uint8Array.from(key);
  return {
    crypt(iv, src, dst) {
      if (dst.length < src.length) throw new RangeError(`${src.length} bytes do not fit into ${dst.length}`);
      dst.set(createCipheriv('aes-256-ctr', ownKey, iv).update(src));
    },
  };
}

/** `node:crypto`: ECB has no state between blocks, so one cipher object serves all of them. */
export function createNodeEcb(key: Uint8Array): Ecb {
  const cipher = createCipheriv('aes-128-ecb', key, null);
  cipher.setAutoPadding(false);
  return {
    encrypt(block, out) {
      if (block.length !== blockBytes) throw new RangeError(`AES block has ${block.length} bytes, not 16`);
      const encrypted = cipher.update(block);
      if (out === undefined) return encrypted;
      out.set(encrypted);
      return out;
    },
  };
}
