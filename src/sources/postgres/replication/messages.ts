/** Messages that go to the server, and parts of those that come from it (protocol, "Message Formats"). */

/** What a server says of a failure, by the names that pg uses. */
export interface ServerSays {
  readonly severity: string;
  /** SQLSTATE */
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
}

function message(type: string, body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(5 + body.length);
  bytes.write(type, 0, 'latin1');
  bytes.writeUInt32BE(4 + body.length, 1);
  bytes.set(body, 5);
  return bytes;
}

const empty = new Uint8Array(0);

export const queryMessage = (sql: string): Buffer => message('Q', Buffer.from(`${sql}\0`));
export const copyDoneMessage = message('c', empty);
export const terminateMessage = message('X', empty);
export const copyDataMessage = (data: Uint8Array): Buffer => message('d', data);

/** ErrorResponse and NoticeResponse. */
export function parseServerSays(body: Buffer): ServerSays {
  const fields = new Map<string, string>();
  let at = 0;
  while (at < body.length && body[at] !== 0) {
    const end = body.indexOf(0, at);
    if (end === -1) break;
    fields.set(String.fromCharCode(body[at]!), body.toString('utf8', at + 1, end));
    at = end + 1;
  }
  const detail = fields.get('D');
  const hint = fields.get('H');
  return {
    severity: fields.get('V') ?? fields.get('S') ?? 'ERROR',
    code: fields.get('C') ?? '',
    message: fields.get('M') ?? '',
    ...(detail !== undefined && { detail }),
    ...(hint !== undefined && { hint }),
  };
}

/** Names of the columns of a RowDescription. */
export function parseColumns(body: Buffer): string[] {
  const columns: string[] = [];
  let at = 2;
  for (let left = body.readUInt16BE(0); left > 0; left--) {
    const end = body.indexOf(0, at);
    columns.push(body.toString('utf8', at, end));
    at = end + 1 + 18; // table, column, type, size, modifier, format
  }
  return columns;
}

/** Values of a DataRow as bytes. */
export function parseRow(body: Buffer): (Buffer | null)[] {
  const values: (Buffer | null)[] = [];
  let at = 2;
  for (let left = body.readUInt16BE(0); left > 0; left--) {
    const length = body.readInt32BE(at);
    at += 4;
    values.push(length === -1 ? null : body.subarray(at, at + length));
    if (length > 0) at += length;
  }
  return values;
}

const epochMs = Date.UTC(2000, 0, 1);

/** PostgreSQL counts microseconds since 2000. */
export function fromServerClock(microseconds: bigint): number {
  return Number(microseconds) / 1000 + epochMs;
}

export function toServerClock(ms: number): bigint {
  return BigInt(Math.round((ms - epochMs) * 1000));
}

/** Text in single quotes, as the replication grammar reads it. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
export const quotedName = (name: string): string => `"${name.replaceAll('"', '""')}"`;
