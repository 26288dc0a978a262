/** What is used of ssh2, an SSH client (its README.md has the whole of it). */
declare module 'ssh2' {
  import type { Duplex } from 'node:stream';

  interface ParsedKey {
    readonly type: string;
    readonly comment: string;
    isPrivateKey(): boolean;
    getPublicSSH(): Buffer;
  }

  type AgentCallback<T> = (error?: Error | null, result?: T) => void;

  abstract class BaseAgent {
    abstract getIdentities(callback: AgentCallback<ParsedKey[]>): void;
    abstract sign(
      key: ParsedKey,
      data: Buffer,
      options: { hash?: string } | AgentCallback<Buffer>,
      callback?: AgentCallback<Buffer>,
    ): void;
  }

  class OpenSSHAgent extends BaseAgent {
    constructor(socketPath: string);
    getIdentities(callback: AgentCallback<ParsedKey[]>): void;
    sign(
      key: ParsedKey,
      data: Buffer,
      options: { hash?: string } | AgentCallback<Buffer>,
      callback?: AgentCallback<Buffer>,
    ): void;
  }

  type AuthMethod =
    | { readonly type: 'none'; readonly username: string }
    | {
        readonly type: 'publickey';
        readonly username: string;
        readonly key: Buffer;
        readonly passphrase?: string;
      }
    | { readonly type: 'agent'; readonly username: string; readonly agent: BaseAgent };

  interface ConnectConfig {
    readonly sock: Duplex;
    readonly username: string;
    readonly authHandler: AuthMethod[];
    readonly hostVerifier: (key: Buffer) => boolean;
    readonly readyTimeout: number;
    readonly keepaliveInterval: number;
    readonly keepaliveCountMax: number;
    readonly algorithms: { readonly serverHostKey: readonly string[] };
  }

  class Client {
    connect(config: ConnectConfig): this;
    on(event: 'ready' | 'close' | 'end', listener: () => void): this;
    on(event: 'error', listener: (error: Error & { level?: string; code?: unknown }) => void): this;
    sftp(callback: (error: Error | undefined, sftp: SFTPWrapper) => void): this;
    forwardOut(
      sourceHost: string,
      sourcePort: number,
      host: string,
      port: number,
      callback: (error: Error | undefined, stream: Duplex) => void,
    ): this;
    end(): this;
    destroy(): this;
  }

  interface Attributes {
    readonly mode: number;
    readonly size: number;
    isDirectory(): boolean;
    isFile(): boolean;
    isSymbolicLink(): boolean;
  }

  type Done<T = void> = (error: (Error & { code?: number }) | null | undefined, result: T) => void;

  /** An SFTP channel; callbacks get what SFTP version 3 answers, its status codes as `code`. */
  interface SFTPWrapper {
    /** What the server offers besides version 3, with versions. */
    readonly _extensions: Readonly<Record<string, string>>;
    /** Bytes that the server takes or gives in one request. */
    readonly _maxReadLen: number;
    readonly _maxWriteLen: number;
    on(event: 'close' | 'end', listener: () => void): this;
    on(event: 'error', listener: (error: Error) => void): this;
    open(path: string, flags: string, attributes: { mode?: number }, done: Done<Buffer>): void;
    close(handle: Buffer, done: Done): void;
    read(
      handle: Buffer,
      into: Buffer,
      offset: number,
      length: number,
      position: number,
      done: Done<number>,
    ): void;
    write(
      handle: Buffer,
      from: Buffer,
      offset: number,
      length: number,
      position: number,
      done: Done<unknown>,
    ): void;
    stat(path: string, done: Done<Attributes>): void;
    fstat(handle: Buffer, done: Done<Attributes>): void;
    opendir(path: string, done: Done<Buffer>): void;
    /** With a handle: the next entries, and the status for the end of a file after the last. */
    readdir(
      handle: Buffer,
      done: Done<{ readonly filename: string; readonly attrs: Attributes }[] | undefined>,
    ): void;
    mkdir(path: string, attributes: { mode?: number }, done: Done): void;
    unlink(path: string, done: Done): void;
    rename(from: string, to: string, done: Done): void;
    ext_openssh_rename(from: string, to: string, done: Done): void;
    ext_openssh_fsync(handle: Buffer, done: Done): void;
    ext_openssh_statvfs(
      path: string,
      done: Done<{ readonly f_bavail: number; readonly f_frsize: number; readonly f_favail: number }>,
    ): void;
    end(): void;
  }

  namespace utils {
    /** An Error is returned, not thrown. */
    function parseKey(data: Buffer | string, passphrase?: string): ParsedKey | ParsedKey[] | Error;
  }
}
