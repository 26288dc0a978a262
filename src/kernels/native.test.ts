import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { bindNative, selfTested } from './native.ts';

test('a symbol that the process does not export gives null, not an error', () => {
  assert.equal(bindNative({ lifeboat_no_such_symbol: { arguments: [], return: 'void' } }), null);
});

test('a kernel that is absent, wrong or broken is not taken', () => {
  const kernel = { answer: 42 };
  assert.equal(
    selfTested(
      () => kernel,
      ({ answer }) => answer === 42,
    ),
    kernel,
  );
  assert.equal(
    selfTested(
      () => kernel,
      ({ answer }) => answer === 41,
    ),
    null,
  );
  assert.equal(
    selfTested(
      () => null,
      () => true,
    ),
    null,
  );
  const broken = (): typeof kernel => {
    throw new Error('no such parameter');
  };
  assert.equal(
    selfTested(broken, () => true),
    null,
  );
});

const program = `
  const url = (name) => new URL(name, ${JSON.stringify(import.meta.url)}).href;
  const { bindNative } = await import(url('./native.ts'));
  const { sha256 } = await import(url('./sha256.ts'));
  const { poly1305 } = await import(url('./poly1305.ts'));
  const { createCtr } = await import(url('./aes.ts'));
  const { createCompressor } = await import(url('./zstd.ts'));
  const data = new Uint8Array(5000).fill(7);
  const encrypted = new Uint8Array(5000);
  createCtr(data.subarray(0, 32)).crypt(data.subarray(0, 16), data, encrypted);
  const frame = new Uint8Array(5000);
  const length = createCompressor('auto').compress(data, frame, 0);
  const parts = [sha256(data), poly1305(data.subarray(0, 32), data), sha256(encrypted), frame.subarray(0, length)];
  const native = bindNative({ ZSTD_versionNumber: { arguments: [], return: 'uint32' } }) !== null;
  console.log(native, Buffer.concat(parts).toString('hex'));
`;

function run(native: string): string {
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, LIFEBOAT_NATIVE: native },
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  return stdout.trim();
}

test('LIFEBOAT_NATIVE=0 keeps all kernels off FFI; the results are the same, and no warning is printed', () => {
  const [, result] = run('1').split(' ');
  assert.deepEqual(run('0').split(' '), ['false', result]);
});
