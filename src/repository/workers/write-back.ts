import { bindNative } from '../../kernels/native.ts';

/** Begins to write a range of an open file to its disk and does not wait for it: what comes behind stays fast. */
export type WriteBack = (fd: number, from: number, to: number) => void;

/** SYNC_FILE_RANGE_WRITE of <fcntl.h>. */
const startWriting = 2;

/**
 * sync_file_range(2) of Linux. It makes nothing durable by itself: it spares a later sync of the file system from
 * beginning with everything, while the processors have nothing left to do. Elsewhere, null.
 */
export function bindWriteBack(): WriteBack | null {
  const libc = bindNative({
    sync_file_range: { arguments: ['int32', 'int64', 'int64', 'uint32'], return: 'int32' },
  });
  if (libc === null) return null;
  return (fd, from, to) => {
    // File systems that know nothing of it refuse; the sync at the end has all of the work then.
    libc.sync_file_range(fd, BigInt(from), BigInt(to - from), startWriting);
  };
}
