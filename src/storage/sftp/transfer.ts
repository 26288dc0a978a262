import { type FolderEntry, type SftpSession, sftpStatus, statusOf } from './session.ts';

/** Reading and writing whole ranges with many requests under way, so that the way to the server costs no time. */

/** Bytes of one transfer that are under way at most. */
export const underWayBytesMax = 8 * 1024 * 1024;

/** Runs a task for each item, as many at once as may be under way. @throws the first failure, once all have ended. */
async function inFlight<T>(
  items: Iterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); !next.done && !failed; next = iterator.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: atOnce }, worker));
  const failure = results.find(({ status }) => status === 'rejected');
  if (failure) throw (failure as PromiseRejectedResult).reason;
}

/** Fills the buffer from a position of the file; resolves to the bytes that there were. */
export async function readInto(
  session: SftpSession,
  handle: Buffer,
  into: Buffer,
  position: number,
): Promise<number> {
  const chunkBytes = session.readBytesMax;
  let end = into.length;
  await inFlight(steps(into.length, chunkBytes), Math.ceil(underWayBytesMax / chunkBytes), async (start) => {
    let done = start;
    const stop = Math.min(start + chunkBytes, into.length);
    while (done < stop && done < end) {
      const count = await readSome(session, handle, into.subarray(done, stop), position + done);
      if (count === 0) end = Math.min(end, done);
      done += count;
    }
  });
  return end;
}

/** At most one request of bytes; 0 at the end. */
export async function readSome(
  session: SftpSession,
  handle: Buffer,
  into: Buffer,
  position: number,
): Promise<number> {
  try {
    return await session.read(handle, into, position);
  } catch (error) {
    if (statusOf(error) === sftpStatus.endOfFile) return 0;
    throw error;
  }
}

export async function writeAll(
  session: SftpSession,
  handle: Buffer,
  parts: readonly Uint8Array[],
): Promise<void> {
  const chunkBytes = session.writeBytesMax;
  await inFlight(pieces(parts, chunkBytes), Math.ceil(underWayBytesMax / chunkBytes), ({ bytes, position }) =>
    session.write(handle, bytes, position),
  );
}

const folderRequestsMax = 16;

/** All entries of a folder. Requests for more are sent before it is known that there are more. */
export async function readFolder(session: SftpSession, path: string): Promise<FolderEntry[]> {
  const handle = await session.openFolder(path);
  const entries: FolderEntry[] = [];
  try {
    for (let atOnce = 2; ; atOnce = Math.min(2 * atOnce, folderRequestsMax)) {
      const answers = await Promise.all(Array.from({ length: atOnce }, () => session.readFolder(handle)));
      for (const answer of answers) {
        if (answer.length === 0) return entries;
        for (const entry of answer) entries.push(entry);
      }
    }
  } finally {
    // Nothing depends on it.
    session.close(handle).catch(() => undefined);
  }
}

function* steps(length: number, step: number): Generator<number> {
  for (let start = 0; start < length; start += step) yield start;
}

/** The content in pieces of one request each, whatever parts it comes in. */
function* pieces(
  parts: readonly Uint8Array[],
  chunkBytes: number,
): Generator<{ bytes: Uint8Array; position: number }> {
  let position = 0;
  let gathered: Uint8Array[] = [];
  let gatheredBytes = 0;
  const take = (): { bytes: Uint8Array; position: number } => {
    const bytes = gathered.length === 1 ? gathered[0]! : Buffer.concat(gathered);
    const piece = { bytes, position };
    position += bytes.length;
    gathered = [];
    gatheredBytes = 0;
    return piece;
  };
  for (const part of parts) {
    for (let start = 0; start < part.length; ) {
      const slice = part.subarray(start, start + chunkBytes - gatheredBytes);
      gathered.push(slice);
      gatheredBytes += slice.length;
      start += slice.length;
      if (gatheredBytes === chunkBytes) yield take();
    }
  }
  if (gatheredBytes > 0) yield take();
}
