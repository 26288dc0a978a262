import { type ErrorCode, LifeboatError, messageOf } from '../../core/errors.ts';
import { ConnectionLost, type SftpSession, sftpStatus, statusOf } from './session.ts';

export type Action = 'read' | 'write' | 'list' | 'inspect' | 'delete' | 'create';

/** A server with less room than this for a file that it refused to take is full. */
const roomBytesMin = 1024 * 1024;

/** What a request was about. */
export interface Target {
  readonly path: string;
  /** For messages. */
  readonly shown: string;
  /** Of a write, to tell a full disk: SFTP has no status for it. */
  readonly bytes: number;
}

/** What a failed request means. A lost connection passes through, as it is tried again. */
export async function sftpFailure(
  session: SftpSession,
  action: Action,
  { path, shown, bytes }: Target,
  error: unknown,
): Promise<Error> {
  if (error instanceof LifeboatError || error instanceof ConnectionLost) return error;
  const status = statusOf(error);
  if (status === null) return error instanceof Error ? error : new Error(messageOf(error));
  const writing = action === 'write' || action === 'create';
  if (writing && status === sftpStatus.failure && (await isFull(session, path, bytes))) {
    return new LifeboatError('storage-full', `cannot ${action} ${shown}: the disk of the server is full`, {
      cause: error,
    });
  }
  return new LifeboatError(
    codeOf(status, writing),
    `cannot ${action} ${shown}: the server says ${messageOf(error)}`,
    {
      cause: error,
      hint: hintOf(status),
    },
  );
}

function codeOf(status: number, writing: boolean): ErrorCode {
  if (status === sftpStatus.permissionDenied) return 'storage-denied';
  return status === sftpStatus.noSuchFile && !writing ? 'storage-missing-file' : 'storage-failed';
}

function hintOf(status: number): string | undefined {
  return status === sftpStatus.failure
    ? "the server's log tells more: look for a full disk, a quota or a file system that is read-only"
    : undefined;
}

async function isFull(session: SftpSession, path: string, bytes: number): Promise<boolean> {
  if (!session.supports.statvfs) return false;
  for (let folder = path; ; ) {
    const above = folder.includes('/') ? folder.slice(0, folder.lastIndexOf('/')) || '/' : '.';
    try {
      const room = await session.room(above);
      return room.bytes < Math.max(bytes, roomBytesMin) || room.files === 0;
    } catch {
      // A folder that is not there yet: the one above it is on the same disk.
      if (above === folder || above === '.' || above === '/') return false;
      folder = above;
    }
  }
}
