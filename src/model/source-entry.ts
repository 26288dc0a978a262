import type { ByteString } from '../core/bytestring.ts';

/** What a source other than plain files yields to a backup, entry by entry, in any order. */

/** How a file's content is cut into blobs. */
export type Chunking =
  /** Rabin fingerprints, as restic cuts: for dumps and everything that may shift. */
  | {
      readonly kind: 'content-defined';
      /**
       * Of streams: bytes of a chunk on average, a power of two from 8 KiB, for content of which a little changes
       * here and there. Left out: restic's own rule.
       */
      readonly averageBytes?: number;
    }
  /** Aligned pieces of a fixed size: for database files, whose pages change in place. */
  | {
      readonly kind: 'pages';
      /** A multiple of `pageBytes`. */
      readonly chunkBytes: number;
      readonly pageBytes: number;
      /** null where pages have no checksum to verify. */
      readonly check: PageCheck | null;
    };

/** Page checksums of PostgreSQL (src/include/storage/checksum_impl.h), verified while the file is read. */
export interface PageCheck {
  readonly kind: 'postgres';
  /** Number of the file's first block in its relation: segment number × blocks in a segment. */
  readonly firstBlock: number;
  /** Pages changed at or after this LSN are replayed from the log, so they may be torn: they are not judged. */
  readonly notFrom: bigint;
}

export type EntryContent =
  /**
   * A local file; workers read it themselves, `size` bytes at most, as its end may grow meanwhile. Where it changed
   * before it was read to its end, its time then is recorded instead of `mtimeNs`.
   */
  | { readonly kind: 'file'; readonly path: ByteString; readonly size: number; readonly chunking: Chunking }
  /** Bytes as they come. Consumed before the next entry is asked for. */
  | { readonly kind: 'stream'; readonly bytes: AsyncIterable<Uint8Array>; readonly chunking: Chunking }
  /** A few bytes at hand. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

export interface SourceEntry {
  /** Path in the snapshot without a slash at its beginning or end; folders above it that no entry names are made up. */
  readonly path: ByteString;
  readonly type: 'file' | 'dir' | 'symlink';
  /** Permission bits of st_mode (07777). */
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  readonly user?: string;
  readonly group?: string;
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint;
  /** Of symlinks. */
  readonly linkTarget?: ByteString;
  /** Of files. */
  readonly content?: EntryContent;
  /**
   * Whether the parent snapshot's content may be taken over where path, size and mtime are what they were. The
   * source answers, as only it knows how far the clock of its files can be trusted.
   */
  readonly reusable?: boolean;
  /** A file that may vanish or shrink before it is read, without harm: it is then left out or ends early. */
  readonly mayVanish?: boolean;
}

/** A page whose checksum is not what its content says. */
export interface DamagedPage {
  readonly path: ByteString;
  /** Number of the block in its relation. */
  readonly block: number;
  readonly expected: number;
  readonly found: number;
}

/** What a source asks of the backup that takes its entries. */
export interface EntryRun {
  readonly signal: AbortSignal;
  /** Pages found damaged so far. */
  readonly damagedPages: readonly DamagedPage[];
  /** Resolves when the content of every entry that was yielded is read. @throws what ended the backup. */
  settled(): Promise<void>;
  /** Something worth saying that does not make the snapshot incomplete. */
  warning(message: string): void;
  /** How much there is to do, where it is known beforehand: for progress. */
  expected(files: number, bytes: number): void;
}

/** A source whose entries are known only while it is read, such as a database. */
export interface EntrySource {
  /** Recorded as the snapshot's paths. */
  readonly paths: readonly string[];
  /** Taken once. Where it throws, or is left early, it has undone what it began (sessions, slots, scratch files). */
  entries(run: EntryRun): AsyncIterable<SourceEntry>;
  /** Tags of the snapshot beside those of the user; asked for once the entries have ended. */
  tags(): readonly string[];
}
