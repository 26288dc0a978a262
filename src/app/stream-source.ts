import type { StreamSource } from '../engine/backup/archive-stream.ts';
import { startChild } from '../transport/child-stream.ts';

/** Standard input as the only file of a snapshot. */
export function inputSource(name: string, input: AsyncIterable<Uint8Array>): StreamSource {
  return { name, open: () => ({ bytes: input, completed: async () => {}, close: () => {} }) };
}

/** The output of a command as the only file of a snapshot; a command that fails makes none. */
export function commandSource(name: string, command: readonly string[]): StreamSource {
  return { name, open: (signal) => startChild(command, signal) };
}
