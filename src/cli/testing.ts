import { PassThrough } from 'node:stream';
import { run } from './run.ts';
import type { OutputStream } from './terminal.ts';

/** A stream that remembers what was written, for tests. */
export interface RecordingStream extends OutputStream {
  text(): string;
}

export function recordingStream(terminal: { isTTY?: boolean; columns?: number } = {}): RecordingStream {
  const chunks: Buffer[] = [];
  return {
    ...terminal,
    write(chunk, done) {
      chunks.push(Buffer.from(chunk as Uint8Array));
      done?.();
      return true;
    },
    text: () => Buffer.concat(chunks).toString('utf8'),
  };
}

/** Standard input with this content; a terminal where asked for, which remembers whether it showed what was typed. */
export interface TestStdin {
  readonly stream: NodeJS.ReadStream;
  readonly rawModes: boolean[];
}

export function testStdin(content: string | readonly string[] = [], isTTY = false): TestStdin {
  const rawModes: boolean[] = [];
  const pipe = new PassThrough();
  const chunks = typeof content === 'string' ? [content] : content;
  for (const chunk of chunks) pipe.write(chunk);
  if (!isTTY) pipe.end();
  const stream = Object.assign(pipe, {
    isTTY,
    setRawMode: (raw: boolean) => {
      rawModes.push(raw);
    },
  });
  return { stream: stream as unknown as NodeJS.ReadStream, rawModes };
}

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process, for tests. */
export async function runForTest(
  args: readonly string[],
  more: {
    readonly env?: Readonly<Record<string, string>>;
    readonly stdin?: string;
    readonly signal?: AbortSignal;
  } = {},
): Promise<CommandResult> {
  const stdout = recordingStream();
  const stderr = recordingStream();
  const status = await run(args, {
    stdin: testStdin(more.stdin ?? '').stream,
    stdout,
    stderr,
    env: more.env ?? {},
    signal: more.signal ?? new AbortController().signal,
  });
  return { status, stdout: stdout.text(), stderr: stderr.text() };
}
