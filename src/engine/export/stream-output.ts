import type { VolumeOutput } from './volume-output.ts';

const pieceBytesMin = 64 * 1024;

/** One volume to a stream, such as standard output. */
export function streamOutput(
  name: string,
  recordBytes: number,
  write: (bytes: Uint8Array) => Promise<void>,
): VolumeOutput {
  return {
    pieceBytes: Math.ceil(pieceBytesMin / recordBytes) * recordBytes,
    open: async () => ({ name, write, finish: () => Promise.resolve() }),
    abandon: async () => `what was written to ${name} is not complete, and \`lifeboat import\` refuses it`,
  };
}
