import { posix } from 'node:path';
import { type SftpSession, sftpStatus, statusOf } from './session.ts';

/** Makes folders where they are missing; those that several saves need are asked for once. */
export interface SftpFolders {
  /**
   * Sends what makes the folder of a file, where nothing was stored in it before, and does not wait: requests on a
   * channel are taken in their order, so that it is there for one that is sent next. Mostly it is there already.
   */
  foresee(session: SftpSession, path: string, mode: number): void;
  make(session: SftpSession, path: string, mode: number): Promise<void>;
}

export function sftpFolders(): SftpFolders {
  const making = new Map<string, Promise<void>>();
  const foreseen = new Set<string>();

  async function makeNow(session: SftpSession, path: string, mode: number): Promise<void> {
    try {
      await session.makeFolder(path, mode);
    } catch (error) {
      const status = statusOf(error);
      if (status === null || status === sftpStatus.permissionDenied) throw error;
      // What is there already is answered with a mere failure.
      const there = await session.stat(path).catch((reason: unknown) => {
        if (statusOf(reason) === null) throw reason;
        return null;
      });
      if (there?.isDirectory()) return;
      const above = posix.dirname(path);
      if (status !== sftpStatus.noSuchFile || above === path) throw error;
      await make(session, above, mode);
      await session.makeFolder(path, mode).catch(async (again: unknown) => {
        if (statusOf(again) !== sftpStatus.failure || !(await session.stat(path)).isDirectory()) throw again;
      });
    }
  }

  function make(session: SftpSession, path: string, mode: number): Promise<void> {
    const running = making.get(path);
    if (running) return running;
    const started = makeNow(session, path, mode).finally(() => making.delete(path));
    making.set(path, started);
    return started;
  }

  function foresee(session: SftpSession, path: string, mode: number): void {
    if (foreseen.has(path)) return;
    foreseen.add(path);
    // Whatever comes of it, the file that goes there tells.
    session.makeFolder(path, mode).catch(() => undefined);
  }

  return { foresee, make };
}
