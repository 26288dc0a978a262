import { LifeboatError } from '../../../core/errors.ts';
import { type Lsn, parseLsn, type Timeline } from '../../../model/wal.ts';
import { type Conversation, optionalText, type Row, textOf } from './conversation.ts';
import { quoted } from './messages.ts';
import { readTar, type TarEntry } from './tar.ts';

/** BASE_BACKUP (protocol, "Streaming Replication Protocol"), streamed: nothing is kept, nothing touches a disk. */

export interface BaseBackupOptions {
  /** Stands in backup_label. */
  readonly label: string;
  /** Begin at once instead of waiting for the next regular checkpoint. */
  readonly fastCheckpoint: boolean;
  /** Put the WAL that the backup needs into the archive. */
  readonly wal?: boolean;
  /** At the end, wait until the server has archived that WAL. */
  readonly waitForArchive?: boolean;
  /** Add `tablespace_map` to the archive instead of links in `pg_tblspc`. */
  readonly tablespaceMap?: boolean;
  /** Ask for a backup_manifest, without checksums of files. */
  readonly manifest?: boolean;
  /** Let the server verify page checksums as it reads. */
  readonly verifyChecksums?: boolean;
  /** KiB per second, 32 to 1,048,576; null does not limit. */
  readonly maxRateKiB?: number | null;
  /** Bytes of archives that the server says it has sent; servers before 15 do not tell. */
  readonly onProgress?: (bytes: number) => void;
}

export interface BackupPosition {
  readonly lsn: Lsn;
  readonly timeline: Timeline;
}

export interface BackupTablespace {
  readonly oid: number;
  readonly location: string;
  /** Estimated when the backup began. */
  readonly bytes: number;
}

export interface BackupArchive {
  /** null is the data directory, with `backup_label` first and `global/pg_control` last. */
  readonly tablespace: BackupTablespace | null;
  /** Taken once, to its end before the next archive is asked for. Bytes of entries are overwritten by those that follow. */
  readonly entries: AsyncIterable<TarEntry>;
}

export interface BaseBackupStream {
  /** Checkpoint from which a recovery of the backup begins. */
  readonly start: BackupPosition;
  readonly tablespaces: readonly BackupTablespace[];
  /** Estimated size of all archives. */
  readonly bytes: number;
  /**
   * Tablespaces first, the data directory last. Taken once. It ends when the server has sent everything and said
   * so; a connection that is lost before is an error. Leaving it early ends the connection of the session.
   */
  archives(): AsyncIterable<BackupArchive>;
  /** The backup_manifest, or null where none was asked for; known when `archives` has ended. */
  manifest(): Uint8Array | null;
  /** WAL up to here is needed for consistency; known when `archives` has ended. */
  end(): BackupPosition;
}

/** The command in the grammar of the server's version (repl_gram.y). */
export function baseBackupCommand(options: BaseBackupOptions, major: number): string {
  const { label, fastCheckpoint, wal, waitForArchive, tablespaceMap, manifest, verifyChecksums } = options;
  const rate = options.maxRateKiB ?? null;
  if (major < 15) {
    const words = [
      `LABEL ${quoted(label)}`,
      'PROGRESS',
      fastCheckpoint && 'FAST',
      wal && 'WAL',
      !waitForArchive && 'NOWAIT',
      rate !== null && `MAX_RATE ${rate}`,
      tablespaceMap && 'TABLESPACE_MAP',
      !verifyChecksums && 'NOVERIFY_CHECKSUMS',
      manifest && "MANIFEST 'yes' MANIFEST_CHECKSUMS 'NONE'",
    ];
    return `BASE_BACKUP ${words.filter((word) => word).join(' ')}`;
  }
  const list = [
    `LABEL ${quoted(label)}`,
    'PROGRESS true',
    `CHECKPOINT ${fastCheckpoint ? "'fast'" : "'spread'"}`,
    `WAL ${wal === true}`,
    `WAIT ${waitForArchive === true}`,
    rate !== null && `MAX_RATE ${rate}`,
    `TABLESPACE_MAP ${tablespaceMap === true}`,
    `VERIFY_CHECKSUMS ${verifyChecksums === true}`,
    manifest && "MANIFEST 'yes', MANIFEST_CHECKSUMS 'NONE'",
  ];
  return `BASE_BACKUP (${list.filter((item) => item).join(', ')})`;
}

function positionOf([row]: Row[]): BackupPosition {
  const lsn = parseLsn(textOf(row, 'recptr'));
  if (lsn === null) throw new LifeboatError('database-failed', 'the server named no position of the backup');
  return { lsn, timeline: Number(textOf(row, 'tli')) };
}

type Pull = () => Promise<Buffer | null>;
type Arrived = (part: { archive: string; pull: Pull } | { manifest: Pull }) => AsyncGenerator<BackupArchive>;

async function collect(pull: Pull): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  for (let piece = await pull(); piece; piece = await pull()) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

/** 15 and newer: one stream, whose messages begin with a letter that says what they are (basebackup_copy.c). */
async function* taggedParts(
  conversation: Conversation,
  options: BaseBackupOptions,
  arrived: Arrived,
): AsyncGenerator<BackupArchive> {
  const { wire } = conversation;
  if ((await conversation.next()) !== 'H') throw conversation.unexpected('instead of the archives');
  /** The tag of the message at hand; null before the first, `end` after the last. */
  let tag = await nextTag();

  async function nextTag(): Promise<'n' | 'm' | 'end' | 'd'> {
    for (;;) {
      const type = await conversation.next();
      if (type === 'c') return 'end';
      if (type !== 'd') throw conversation.unexpected(type);
      const letter = String.fromCharCode((await wire.bytes(1))[0]!);
      if (letter === 'n' || letter === 'm' || letter === 'd') return letter;
      if (letter !== 'p') throw conversation.unexpected(`d${letter}`);
      options.onProgress?.(Number((await wire.bytes(8)).readBigInt64BE()));
    }
  }
  /** Data up to the next archive or manifest. */
  const pull: Pull = async () => {
    for (;;) {
      if (tag === 'd') {
        const piece = await wire.piece();
        if (piece) return piece;
        tag = await nextTag();
      } else return null;
    }
  };
  while (tag !== 'end') {
    if (tag === 'n') {
      const name = (await wire.bytes()).toString('utf8').split('\0')[0]!;
      tag = await nextTag();
      yield* arrived({ archive: name.replace(/\.tar$/, ''), pull });
    } else if (tag === 'm') {
      tag = await nextTag();
      yield* arrived({ manifest: pull });
    } else throw conversation.unexpected('data of no archive');
  }
}

/** 13 and 14: a stream for each archive, in the order of the list, and one for the manifest. */
async function* separateParts(
  conversation: Conversation,
  names: readonly string[],
  options: BaseBackupOptions,
  arrived: Arrived,
): AsyncGenerator<BackupArchive> {
  const { wire } = conversation;
  /** The content of the stream that has just begun. */
  const copied = (): Pull => {
    let ended = false;
    return async () => {
      while (!ended) {
        const piece = await wire.piece();
        if (piece) return piece;
        const type = await conversation.next();
        if (type === 'c') ended = true;
        else if (type !== 'd') throw conversation.unexpected(type);
      }
      return null;
    };
  };
  for (const archive of names) {
    if ((await conversation.next()) !== 'H') throw conversation.unexpected('instead of an archive');
    await wire.bytes();
    yield* arrived({ archive, pull: copied() });
  }
  if (options.manifest) {
    if ((await conversation.next()) !== 'H') throw conversation.unexpected('instead of the manifest');
    await wire.bytes();
    yield* arrived({ manifest: copied() });
  }
}

/**
 * Begins a backup. Resolves when the server has made its checkpoint.
 * @throws LifeboatError `database-permission`, `database-failed`
 */
export async function startBaseBackup(
  conversation: Conversation,
  options: BaseBackupOptions,
  major: number,
): Promise<BaseBackupStream> {
  conversation.begin(baseBackupCommand(options, major));
  const start = positionOf(await conversation.rows());
  const listed = await conversation.rows();
  // The row without an OID is the data directory.
  const sizes = listed.map((row) => Number(optionalText(row, 'size') ?? 0) * 1024);
  const names = listed.map((row) => optionalText(row, 'spcoid') ?? 'base');
  const tablespaces = listed.flatMap((row, index) => {
    const oid = optionalText(row, 'spcoid');
    if (oid === null) return [];
    return [{ oid: Number(oid), location: textOf(row, 'spclocation'), bytes: sizes[index]! }];
  });
  let manifest: Uint8Array | null = null;
  let end: BackupPosition | null = null;
  let taken = false;

  const arrived: Arrived = async function* (part) {
    if ('manifest' in part) {
      manifest = await collect(part.manifest);
      return;
    }
    const tablespace = tablespaces.find(({ oid }) => String(oid) === part.archive) ?? null;
    if (tablespace === null && part.archive !== 'base') {
      throw new LifeboatError(
        'database-failed',
        `the server sent an archive "${part.archive}" that it had not announced`,
      );
    }
    yield { tablespace, entries: readTar(part.pull) };
    // What the consumer left of the archive.
    while (await part.pull());
  };

  async function* archives(): AsyncGenerator<BackupArchive, void, void> {
    if (taken) throw new LifeboatError('internal', 'a base backup is read once');
    taken = true;
    let whole = false;
    try {
      conversation.wire.reusesMemory = true;
      if (major >= 15) yield* taggedParts(conversation, options, arrived);
      else yield* separateParts(conversation, names, options, arrived);
      conversation.wire.reusesMemory = false;
      end = positionOf(await conversation.rows());
      await conversation.finish();
      whole = true;
    } finally {
      // The server would send on and on.
      if (!whole) conversation.wire.destroy();
    }
  }

  return {
    start,
    tablespaces,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    archives,
    manifest: () => manifest,
    end() {
      if (end === null) throw new LifeboatError('internal', 'the backup has not ended yet');
      return end;
    },
  };
}
