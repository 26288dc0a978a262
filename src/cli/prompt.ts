import { StringDecoder } from 'node:string_decoder';
import { LifeboatError } from '../core/errors.ts';
import type { OutputStream } from './terminal.ts';

const lineBytesMax = 65_536;

/**
 * Asks for a line on a terminal without showing what is typed. Backspace and Ctrl-U edit; Ctrl-C and Ctrl-D
 * on an empty line give up.
 *
 * @throws LifeboatError `cancelled`.
 */
export async function promptHidden(
  question: string,
  stdin: NodeJS.ReadStream,
  stderr: OutputStream,
  signal: AbortSignal,
): Promise<string> {
  stderr.write(question);
  stdin.setRawMode(true);
  const decoder = new StringDecoder('utf8');
  let line: string[] = [];
  try {
    return await new Promise<string>((resolve, reject) => {
      const giveUp = (): void =>
        settle(() => reject(new LifeboatError('cancelled', 'no password was entered')));
      const settle = (finish: () => void): void => {
        stdin.off('data', take);
        stdin.off('end', giveUp);
        signal.removeEventListener('abort', giveUp);
        stdin.pause();
        finish();
      };
      const take = (chunk: Buffer): void => {
        const keys = [...decoder.write(chunk)];
        for (const [i, key] of keys.entries()) {
          if (key === '\r' || key === '\n') {
            settle(() => resolve(line.join('')));
            const rest = keys.slice(i + 1).join('');
            if (rest !== '') stdin.unshift(Buffer.from(rest));
            return;
          }
          if (key === '\x03' || (key === '\x04' && line.length === 0)) {
            giveUp();
            return;
          }
          if (key === '\x7f' || key === '\b') line.pop();
          else if (key === '\x15') line = [];
          else if (key >= ' ') line.push(key);
        }
      };
      stdin.on('data', take);
      stdin.once('end', giveUp);
      signal.addEventListener('abort', giveUp, { once: true });
      if (signal.aborted) giveUp();
      stdin.resume();
    });
  } finally {
    stdin.setRawMode(false);
    stderr.write('\n');
  }
}

/**
 * The first line of a stream that is no terminal, without its line end; what follows stays in the stream.
 *
 * @throws LifeboatError `usage` for a line that does not end within 64 KiB.
 */
export async function readLine(stdin: NodeJS.ReadStream): Promise<string> {
  let taken = Buffer.alloc(0);
  const line = await new Promise<Buffer>((resolve, reject) => {
    const settle = (finish: () => void): void => {
      stdin.off('data', take);
      stdin.off('end', end);
      stdin.off('error', fail);
      stdin.pause();
      finish();
    };
    const fail = (error: Error): void => settle(() => reject(error));
    const end = (): void => settle(() => resolve(taken));
    const take = (chunk: Buffer): void => {
      taken = Buffer.concat([taken, chunk]);
      const newline = taken.indexOf(0x0a);
      if (newline >= 0) {
        settle(() => {
          if (newline + 1 < taken.length) stdin.unshift(taken.subarray(newline + 1));
          resolve(taken.subarray(0, newline));
        });
      } else if (taken.length > lineBytesMax) {
        settle(() =>
          reject(new LifeboatError('usage', 'the line on standard input is too long for a password')),
        );
      }
    };
    stdin.on('data', take);
    stdin.once('end', end);
    stdin.once('error', fail);
    stdin.resume();
  });
  return line.toString('utf8').replace(/\r$/, '');
}
