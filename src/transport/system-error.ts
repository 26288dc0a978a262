import { getSystemErrorMap } from 'node:util';
import { type ByteString, toText } from '../core/bytestring.ts';

/** A failed call of the operating system; `code` is the errno's name, as in the errors of node:fs. */
export class SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  constructor(errno: number, syscall: string, path: string) {
    const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
    super(`${syscall} ${JSON.stringify(toText(path as ByteString))}: ${text} (${code})`);
    this.name = 'SystemError';
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}
