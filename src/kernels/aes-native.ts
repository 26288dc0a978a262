import { LifeboatError } from '../core/errors.ts';
import { blockBytes, type Ctr, ctrKeyBytes, type Ecb } from './cipher.ts';
import { bindNative, nativeMemory } from './native.ts';

const signatures = {
  EVP_CIPHER_CTX_new: { arguments: [], return: 'pointer' },
  EVP_CIPHER_CTX_free: { arguments: ['pointer'], return: 'void' },
  EVP_CIPHER_CTX_set_padding: { arguments: ['pointer', 'int32'], return: 'int32' },
  EVP_aes_256_ctr: { arguments: [], return: 'pointer' },
  EVP_aes_128_ecb: { arguments: [], return: 'pointer' },
  EVP_EncryptInit_ex: { arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'pointer'], return: 'int32' },
  EVP_EncryptUpdate: { arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'int32'], return: 'int32' },
} as const;

function bind() {
  const openssl = bindNative(signatures);
  const written = nativeMemory(4);
  const small = nativeMemory(ctrKeyBytes);
  if (openssl === null || written === null || small === null) return null;
  return {
    openssl,
    /** Keys, counters and blocks pass through here. */
    small,
    /** Where OpenSSL notes how many bytes it wrote. */
    written,
    writtenCount: new Int32Array(written.bytes.buffer, 0, 1),
  };
}

let bound: ReturnType<typeof bind> | undefined;

/** Contexts live as long as the object that uses them. */
const released = new FinalizationRegistry<bigint>((context) => bound?.openssl.EVP_CIPHER_CTX_free(context));

function failed(what: string): LifeboatError {
  return new LifeboatError('internal', `OpenSSL refused to ${what}`);
}

/** OpenSSL's AES-256-CTR with one context for all calls. Null where it is out of reach. */
export function createNativeCtr(key: Uint8Array): Ctr | null {
  bound ??= bind();
  if (bound === null) return null;
  const { openssl, small, written, writtenCount } = bound;
  const context = openssl.EVP_CIPHER_CTX_new();
  small.bytes.set(key);
  const initialized = openssl.EVP_EncryptInit_ex(context, openssl.EVP_aes_256_ctr(), 0n, small.pointer, 0n);
  small.bytes.fill(0);
  const ctr: Ctr = {
    crypt(iv, src, dst) {
      if (iv.length !== blockBytes) throw new RangeError(`AES counter has ${iv.length} bytes, not 16`);
      if (dst.length < src.length) throw new RangeError(`${src.length} bytes do not fit into ${dst.length}`);
      if (src.length === 0) return;
      small.bytes.set(iv);
      // Key and cipher stay, the counter starts anew.
      if (openssl.EVP_EncryptInit_ex(context, 0n, 0n, 0n, small.pointer) !== 1) throw failed('set an IV');
      const done = openssl.EVP_EncryptUpdate(context, dst, written.pointer, src, src.length);
      if (done !== 1 || writtenCount[0] !== src.length) throw failed(`encrypt ${src.length} bytes`);
    },
  };
  released.register(ctr, context);
  return initialized === 1 ? ctr : null;
}

/** OpenSSL's AES-128-ECB with one context for all calls. Null where it is out of reach. */
export function createNativeEcb(key: Uint8Array): Ecb | null {
  bound ??= bind();
  if (bound === null) return null;
  const { openssl, small, written, writtenCount } = bound;
  const context = openssl.EVP_CIPHER_CTX_new();
  small.bytes.set(key);
  const initialized = openssl.EVP_EncryptInit_ex(context, openssl.EVP_aes_128_ecb(), 0n, small.pointer, 0n);
  small.bytes.fill(0);
  const padded = openssl.EVP_CIPHER_CTX_set_padding(context, 0);
  const ecb: Ecb = {
    encrypt(block, out = new Uint8Array(blockBytes)) {
      if (block.length !== blockBytes) throw new RangeError(`AES block has ${block.length} bytes, not 16`);
      if (out.length < blockBytes) throw new RangeError(`an AES block does not fit into ${out.length} bytes`);
      small.bytes.set(block);
      const { pointer } = small;
      const done = openssl.EVP_EncryptUpdate(context, pointer, written.pointer, pointer, blockBytes);
      if (done !== 1 || writtenCount[0] !== blockBytes) throw failed('encrypt a block');
      for (let i = 0; i < blockBytes; i++) out[i] = small.bytes[i] ?? 0;
      return out;
    },
  };
  released.register(ecb, context);
  return initialized === 1 && padded === 1 ? ecb : null;
}
