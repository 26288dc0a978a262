import { LifeboatError } from '../../../core/errors.ts';
import { type Lsn, parseLsn, type Timeline } from '../../../model/wal.ts';
import { requestCancel } from '../connection/cancel.ts';
import { connect, internalsOf } from '../connection/connect.ts';
import { openSqlSession, type SessionOptions } from '../connection/session.ts';
import { type ConnectionSettings, describeConnection } from '../connection/settings.ts';
import { type BaseBackupOptions, type BaseBackupStream, startBaseBackup } from './base-backup.ts';
import { Conversation, optionalText, textOf } from './conversation.ts';
import { quotedName, type ServerSays, terminateMessage } from './messages.ts';
import { streamWal, type WalMessage, type WalStreamOptions } from './wal-stream.ts';
import { Wire } from './wire.ts';

export interface SystemIdentification {
  /** Decimal, unsigned 64 bits. */
  readonly systemIdentifier: string;
  readonly timeline: Timeline;
  /** How far the server's log is flushed (on a standby: received and replayed). */
  readonly flushed: Lsn;
}

export interface SlotPosition {
  /** The oldest WAL that the slot keeps; null where it keeps none yet, or was invalidated. */
  readonly restart: Lsn | null;
  /** Of `restart`; null before PostgreSQL 15. */
  readonly timeline: Timeline | null;
}

/** A connection that speaks the physical replication protocol. It runs one command at a time. */
export interface ReplicationSession {
  readonly settings: ConnectionSettings;
  /** Such as 15. */
  readonly major: number;
  identifySystem(): Promise<SystemIdentification>;
  /** A setting as SHOW prints it. @throws LifeboatError `database-failed` where there is none of this name */
  show(name: string): Promise<string>;
  /** null where there is no such slot. Before PostgreSQL 15 this takes a connection for SQL. */
  readSlot(name: string): Promise<SlotPosition | null>;
  /**
   * A temporary slot lives as long as this session, and no longer than its first error; `reserve` keeps WAL from now on, not from the first use on.
   * @throws LifeboatError `slot-exists`
   */
  createPhysicalSlot(name: string, options: { temporary: boolean; reserve: boolean }): Promise<void>;
  /** @throws LifeboatError `slot-missing`, `slot-busy` */
  dropSlot(name: string): Promise<void>;
  /** @throws LifeboatError `wal-removed` where the server does not have the file: timeline 1 never has one */
  timelineHistory(timeline: Timeline): Promise<{ readonly name: string; readonly content: Buffer }>;
  streamWal(options: WalStreamOptions): AsyncGenerator<WalMessage, void, void>;
  baseBackup(options: BaseBackupOptions): Promise<BaseBackupStream>;
  /** Ends whatever runs. Idempotent. */
  close(): Promise<void>;
}

export interface ReplicationOptions extends SessionOptions {
  /** For base backups: much will be read. */
  readonly largeReads?: boolean;
  /** Warnings and notices of the server. */
  readonly onNotice?: (message: string) => void;
}

const closeTimeoutMs = 2000;

function checkSlotName(name: string): string {
  if (/^[a-z0-9_]{1,63}$/.test(name)) return quotedName(name);
  throw new LifeboatError(
    'database-settings',
    `"${name}" is no name of a replication slot: it may have lower-case letters, digits and underscores, 63 at most`,
  );
}

function lsnOf(text: string): Lsn {
  const lsn = parseLsn(text);
  if (lsn === null) throw new LifeboatError('database-failed', `the server named the position "${text}"`);
  return lsn;
}

async function readSlotBySql(settings: ConnectionSettings, name: string): Promise<SlotPosition | null> {
  // The replication protocol connects without a database; every server has this one.
  const session = await openSqlSession(settings);
  try {
    const rows = await session.query<{ restart: string | null }>(
      `SELECT restart_lsn::text AS restart FROM pg_catalog.pg_replication_slots
       WHERE slot_name = $1 AND slot_type = 'physical'`,
      [name],
    );
    const [row] = rows;
    return row ? { restart: row.restart === null ? null : lsnOf(row.restart), timeline: null } : null;
  } finally {
    await session.close();
  }
}

/** What the server said of its version at the login: `15.19 (Debian …)`, `18beta1`. */
function majorOf(version: string | undefined, settings: ConnectionSettings): number {
  const major = Number(/^\d+/.exec(version ?? '')?.[0]);
  if (major >= 13) return major;
  throw new LifeboatError(
    'database-version',
    `the server at ${describeConnection(settings)} is PostgreSQL ${version ?? 'of an unknown version'}; physical backups and the journal need 13 or newer`,
  );
}

/**
 * Logs in for replication. Aborting the signal ends what runs and closes the session.
 * @throws LifeboatError as `connect`, and `database-version`
 */
export async function openReplication(
  settings: ConnectionSettings,
  { signal, applicationName, largeReads, onNotice }: ReplicationOptions = {},
): Promise<ReplicationSession> {
  const connected = await connect(settings, {
    replication: true,
    ...(signal && { signal }),
    ...(applicationName !== undefined && { applicationName }),
    ...(largeReads && { largeReads }),
  });
  const place = connected.settings;
  const { stream } = internalsOf(connected.client).connection;
  const wire = new Wire(stream);
  const conversation = new Conversation(wire, place, (says: ServerSays) => onNotice?.(says.message));

  const abort = (): void => {
    wire.fail(new LifeboatError('cancelled', 'replication from PostgreSQL was cancelled'));
    void close();
  };
  let closing: Promise<void> | null = null;
  function close(): Promise<void> {
    closing ??= (async () => {
      signal?.removeEventListener('abort', abort);
      const closed = new Promise<void>((resolve) => {
        if (stream.destroyed) resolve();
        else stream.once('close', () => resolve());
      });
      const { running } = conversation;
      if (running !== null && running !== 'START_REPLICATION' && !stream.destroyed) {
        // A server that makes a checkpoint or waits does not notice a closed socket, so it is told first.
        await requestCancel(connected);
        wire.destroy();
      } else {
        wire.end(terminateMessage);
      }
      const timer = setTimeout(() => wire.destroy(), closeTimeoutMs);
      await closed;
      clearTimeout(timer);
    })();
    return closing;
  }
  signal?.addEventListener('abort', abort, { once: true });

  try {
    const major = majorOf(connected.parameters.get('server_version'), place);
    return {
      settings: place,
      major,
      async identifySystem() {
        const [row] = await conversation.run('IDENTIFY_SYSTEM');
        return {
          systemIdentifier: textOf(row, 'systemid'),
          timeline: Number(textOf(row, 'timeline')),
          flushed: lsnOf(textOf(row, 'xlogpos')),
        };
      },
      async show(name) {
        const [row] = await conversation.run(`SHOW ${quotedName(name)}`);
        return [...(row?.values() ?? [])][0]?.toString('utf8') ?? '';
      },
      async readSlot(name) {
        const quotedSlot = checkSlotName(name);
        if (major < 15) return readSlotBySql(place, name);
        const [row] = await conversation.run(`READ_REPLICATION_SLOT ${quotedSlot}`);
        if (optionalText(row, 'slot_type') === null) return null;
        const restart = optionalText(row, 'restart_lsn');
        const timeline = optionalText(row, 'restart_tli');
        return {
          restart: restart === null ? null : lsnOf(restart),
          timeline: timeline === null ? null : Number(timeline),
        };
      },
      async createPhysicalSlot(name, { temporary, reserve }) {
        const kind = `${temporary ? 'TEMPORARY ' : ''}PHYSICAL`;
        const reserved = major >= 15 ? ' (RESERVE_WAL)' : ' RESERVE_WAL';
        await conversation.run(
          `CREATE_REPLICATION_SLOT ${checkSlotName(name)} ${kind}${reserve ? reserved : ''}`,
        );
      },
      async dropSlot(name) {
        await conversation.run(`DROP_REPLICATION_SLOT ${checkSlotName(name)}`);
      },
      async timelineHistory(timeline) {
        const [row] = await conversation.run(`TIMELINE_HISTORY ${timeline}`);
        return { name: textOf(row, 'filename'), content: Buffer.from(row?.get('content') ?? []) };
      },
      streamWal: (options) => {
        if (options.slot !== null) checkSlotName(options.slot);
        return streamWal(conversation, options);
      },
      baseBackup: (options) => startBaseBackup(conversation, options, major),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
