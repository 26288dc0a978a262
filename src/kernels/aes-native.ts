import { LifeboatError } from '../core/errors.ts';
import { blockBytes, type Ctr, type Ecb } from './aes.ts';
import { bindNative } from './native.ts';

const signatures = {
  EVP_CIPHER_CTX_new: { arguments: [], return: 'pointer' },
  EVP_CIPHER_CTX_free: { arguments: ['pointer'], return: 'void' },
  EVP_CIPHER_CTX_set_padding: { arguments: ['pointer', 'int32'], return: 'int32' },
  EVP_aes_256_ctr: { arguments: [], return: 'pointer' },
  EVP_aes_128_ecb: { arguments: [], return: 'pointer' },
  EVP_EncryptInit_ex: { arguments: ['pointer', 'pointer', 'pointer', 'buffer', 'buffer'], return: 'int32' },
  EVP_EncryptUpdate: { arguments: ['pointer', 'buffer', 'buffer', 'buffer', 'int32'], return: 'int32' },
} as const;

function bind() {
  return bindNative(signatures);
}

type OpenSsl = NonNullable<ReturnType<typeof bind>>;

let bound: OpenSsl | null | undefined;

/** Contexts live as long as the object that uses them. */
const released = new FinalizationRegistry<bigint>((context) => bound?.EVP_CIPHER_CTX_free(context));

/** Where OpenSSL notes how many bytes it wrote. Longer than what V8 keeps inside its moving heap. */
const written = new Uint8Array(128);
const writtenWord = new DataView(written.buffer);

function failed(what: string): LifeboatError {
  return new LifeboatError('internal', `OpenSSL refused to ${what}`);
}

function update(openssl: OpenSsl, context: bigint, src: Uint8Array, dst: Uint8Array): void {
  if (dst.length < src.length) throw new RangeError(`${src.length} bytes do not fit into ${dst.length}`);
  if (src.length === 0) return;
  const done = openssl.EVP_EncryptUpdate(context, dst, written, src, src.length);
  if (done !== 1 || writtenWord.getInt32(0, littleEndian) !== src.length)
    throw failed(`encrypt ${src.length} bytes`);
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** OpenSSL's AES-256-CTR with one context for all calls. Null where it is out of reach. */
export function createNativeCtr(key: Uint8Array): Ctr | null {
  bound ??= bind();
  const openssl = bound;
  if (openssl === null) return null;
  const context = openssl.EVP_CIPHER_CTX_new();
  const initialized = openssl.EVP_EncryptInit_ex(
    context,
    openssl.EVP_aes_256_ctr(),
    0n,
    key,
    new Uint8Array(blockBytes),
  );
  const ctr: Ctr = {
    crypt(iv, src, dst) {
      if (iv.length !== blockBytes) throw new RangeError(`AES counter has ${iv.length} bytes, not 16`);
      // Key and cipher stay, the counter starts anew.
      if (openssl.EVP_EncryptInit_ex(context, 0n, 0n, null, iv) !== 1) throw failed('set an IV');
      update(openssl, context, src, dst);
    },
  };
  released.register(ctr, context);
  return initialized === 1 ? ctr : null;
}

/** OpenSSL's AES-128-ECB with one context for all calls. Null where it is out of reach. */
export function createNativeEcb(key: Uint8Array): Ecb | null {
  bound ??= bind();
  const openssl = bound;
  if (openssl === null) return null;
  const context = openssl.EVP_CIPHER_CTX_new();
  const initialized =
    openssl.EVP_EncryptInit_ex(context, openssl.EVP_aes_128_ecb(), 0n, key, null) === 1 &&
    openssl.EVP_CIPHER_CTX_set_padding(context, 0) === 1;
  const ecb: Ecb = {
    encrypt(block, out = new Uint8Array(blockBytes)) {
      if (block.length !== blockBytes) throw new RangeError(`AES block has ${block.length} bytes, not 16`);
      update(openssl, context, block, out);
      return out;
    },
  };
  released.register(ecb, context);
  return initialized ? ecb : null;
}
