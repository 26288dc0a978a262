import { type ErrorCode, LifeboatError } from '../../../core/errors.ts';
import { databaseFailure } from '../connection/failure.ts';
import type { ConnectionSettings } from '../connection/settings.ts';
import { parseColumns, parseRow, parseServerSays, queryMessage, type ServerSays } from './messages.ts';
import type { Wire } from './wire.ts';

/** What SQLSTATEs mean for a command, by its first word. */
const codesByCommand: Readonly<Record<string, Readonly<Record<string, ErrorCode>>>> = {
  START_REPLICATION: {
    '58P01': 'wal-removed', // undefined_file
    '55000': 'wal-removed', // object_not_in_prerequisite_state: the slot was invalidated
    '42704': 'slot-missing',
    '55006': 'slot-busy',
  },
  TIMELINE_HISTORY: { '58P01': 'wal-removed' },
  CREATE_REPLICATION_SLOT: { '42710': 'slot-exists' },
  DROP_REPLICATION_SLOT: { '42704': 'slot-missing', '55006': 'slot-busy' },
};

/** Rows of one result, by column name, as bytes. */
export type Row = ReadonlyMap<string, Buffer | null>;

/** Commands and results on a wire; one at a time. */
export class Conversation {
  readonly wire: Wire;
  readonly settings: ConnectionSettings;
  readonly #notice: (says: ServerSays) => void;
  #busy = false;
  #command = '';

  constructor(wire: Wire, settings: ConnectionSettings, notice: (says: ServerSays) => void) {
    this.wire = wire;
    this.settings = settings;
    this.#notice = notice;
  }

  /** The first word of the command that is not answered yet, or null. */
  get running(): string | null {
    return this.#busy ? this.#command : null;
  }

  /** Sends a command; its answer must be read up to `finish`. */
  begin(sql: string): void {
    if (this.wire.failure) throw this.failureOf(this.wire.failure);
    if (this.#busy) throw new LifeboatError('internal', 'a replication session runs one command at a time');
    this.#busy = true;
    this.#command = sql.split(' ')[0]!;
    this.wire.send(queryMessage(sql));
  }

  failureOf(error: unknown): LifeboatError {
    const command = this.#command;
    return databaseFailure(
      error,
      `PostgreSQL did not complete ${command}`,
      this.settings,
      codesByCommand[command],
    );
  }

  /** The next message that is not a notice or the like. @throws what the server says in an ErrorResponse */
  async next(): Promise<string> {
    for (;;) {
      const type = await this.#nextOfWire();
      if (type === 'N') this.#notice(parseServerSays(await this.wire.bytes()));
      else if (type === 'E') throw await this.#refusal(parseServerSays(await this.wire.bytes()));
      else if (type !== 'S' && type !== 'A') return type;
    }
  }

  async #nextOfWire(): Promise<string> {
    try {
      return await this.wire.next();
    } catch (error) {
      throw this.failureOf(error);
    }
  }

  /** After an error the server is ready again, unless the error ends the connection. */
  async #refusal(says: ServerSays): Promise<LifeboatError> {
    const failure = this.failureOf(says);
    if (says.severity === 'FATAL' || says.severity === 'PANIC') {
      this.wire.fail(failure);
    } else {
      while ((await this.#nextOfWire()) !== 'Z');
      this.#busy = false;
    }
    return failure;
  }

  unexpected(type: string): LifeboatError {
    return new LifeboatError('database-failed', `the server sent a message "${type}" that was not expected`);
  }

  /** A result that has begun with RowDescription, up to its CommandComplete. */
  async rowsAfterDescription(): Promise<Row[]> {
    const columns = parseColumns(await this.wire.bytes());
    const rows: Row[] = [];
    for (;;) {
      const type = await this.next();
      if (type === 'C') return rows;
      if (type !== 'D') throw this.unexpected(type);
      const values = parseRow(await this.wire.bytes());
      rows.push(new Map(columns.map((name, index) => [name, values[index] ?? null])));
    }
  }

  /** One result from RowDescription to CommandComplete. */
  async rows(): Promise<Row[]> {
    const type = await this.next();
    if (type !== 'T') throw this.unexpected(type);
    return this.rowsAfterDescription();
  }

  /** Reads until the server is ready for the next command. */
  async finish(): Promise<void> {
    for (;;) {
      const type = await this.next();
      if (type === 'Z') break;
      if (type !== 'C') throw this.unexpected(type);
    }
    this.#busy = false;
  }

  /** Runs a command with at most one result of rows. */
  async run(sql: string): Promise<Row[]> {
    this.begin(sql);
    const type = await this.next();
    const rows = type === 'T' ? await this.rowsAfterDescription() : [];
    if (type !== 'T' && type !== 'C') throw this.unexpected(type);
    await this.finish();
    return rows;
  }
}

/** A value that must be there. @throws LifeboatError `database-failed` */
export function textOf(row: Row | undefined, column: string): string {
  const value = row?.get(column);
  if (!value) throw new LifeboatError('database-failed', `the server's answer lacks ${column}`);
  return value.toString('utf8');
}

/** A value or null. */
export function optionalText(row: Row | undefined, column: string): string | null {
  return row?.get(column)?.toString('utf8') ?? null;
}
