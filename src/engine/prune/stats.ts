/** Figures of a prune, field by field what restic prints with --json (internal/repository/prune.go). */
export interface PruneStats {
  readonly message_type: 'summary';
  readonly blobs: {
    used: number;
    duplicate: number;
    unused: number;
    total: number;
    repack: number;
    repack_remove: number;
    remove: number;
    remove_total: number;
    remaining: number;
  };
  readonly bytes: {
    used: number;
    duplicate: number;
    unused: number;
    unreferenced: number;
    uncompressed: number;
    total: number;
    repack: number;
    repack_remove: number;
    remove: number;
    remove_total: number;
    remaining: number;
    remaining_unused: number;
  };
  readonly packfiles: {
    used: number;
    unused: number;
    partly_used: number;
    unreferenced: number;
    total: number;
    keep: number;
    repack: number;
    remove: number;
    remove_total: number;
  };
}

export function emptyStats(): PruneStats {
  return {
    message_type: 'summary',
    blobs: {
      used: 0,
      duplicate: 0,
      unused: 0,
      total: 0,
      repack: 0,
      repack_remove: 0,
      remove: 0,
      remove_total: 0,
      remaining: 0,
    },
    bytes: {
      used: 0,
      duplicate: 0,
      unused: 0,
      unreferenced: 0,
      uncompressed: 0,
      total: 0,
      repack: 0,
      repack_remove: 0,
      remove: 0,
      remove_total: 0,
      remaining: 0,
      remaining_unused: 0,
    },
    packfiles: {
      used: 0,
      unused: 0,
      partly_used: 0,
      unreferenced: 0,
      total: 0,
      keep: 0,
      repack: 0,
      remove: 0,
      remove_total: 0,
    },
  };
}

/** Fills in what follows from the other figures. */
export function sumUp({ blobs, bytes, packfiles }: PruneStats): void {
  blobs.total = blobs.used + blobs.unused + blobs.duplicate;
  blobs.remove_total = blobs.remove + blobs.repack_remove;
  blobs.remaining = blobs.total - blobs.remove_total;
  bytes.total = bytes.used + bytes.duplicate + bytes.unused + bytes.unreferenced;
  bytes.remove_total = bytes.remove + bytes.repack_remove + bytes.unreferenced;
  bytes.remaining = bytes.total - bytes.remove_total;
  bytes.remaining_unused = bytes.duplicate + bytes.unused - bytes.remove - bytes.repack_remove;
  packfiles.total = packfiles.used + packfiles.partly_used + packfiles.unused + packfiles.unreferenced;
  packfiles.remove_total = packfiles.unreferenced + packfiles.remove;
}
