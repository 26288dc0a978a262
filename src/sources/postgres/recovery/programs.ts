import { findTool } from '../connection/tools.ts';

/** Programs of the server's own major version, which alone can read its data directory. */
export interface ServerPrograms {
  readonly major: number;
  readonly postgres: string;
  readonly pgCtl: string;
  /** null where the client programs are not installed. */
  readonly pgIsReady: string | null;
  readonly binDirectory: string | null;
}

/** @throws LifeboatError `tool-missing`. */
export async function findServerPrograms(
  major: number,
  binDirectory: string | null,
): Promise<ServerPrograms> {
  const wanted = { major, binDirectory, sameMajor: true };
  const [postgres, pgCtl, ready] = await Promise.all([
    findTool('postgres', wanted),
    findTool('pg_ctl', wanted),
    findTool('pg_isready', { major, binDirectory }).catch(() => null), // a nicety: pg_ctl waits as well
  ]);
  return { major, postgres: postgres.path, pgCtl: pgCtl.path, pgIsReady: ready?.path ?? null, binDirectory };
}
