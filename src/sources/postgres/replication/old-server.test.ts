import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { hasCode } from '../../../core/errors.ts';
import { connectionSettings } from '../connection/settings.ts';
import { openReplication, type ReplicationSession } from './session.ts';

/** PostgreSQL 13 and 14 as their protocol's documentation has them: no such server is at hand. */

function message(type: string, ...parts: (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(4 + body.length);
  return Buffer.concat([Buffer.from(type), length, body]);
}

const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function result(columns: readonly string[], ...rows: (readonly (string | null)[])[]): Buffer {
  const described = columns.flatMap((name) => [Buffer.from(`${name}\0`), Buffer.alloc(18)]);
  const values = (row: readonly (string | null)[]): Buffer[] =>
    row.flatMap((value) => (value === null ? [int32(-1)] : [int32(value.length), Buffer.from(value)]));
  return Buffer.concat([
    message('T', int16(columns.length), ...described),
    ...rows.map((row) => message('D', int16(row.length), ...values(row))),
    message('C', 'SELECT\0'),
  ]);
}

function copyOut(bytes: Buffer, pieceBytes: number): Buffer {
  const messages = [message('H', Buffer.from([0, 0, 0]))];
  for (let at = 0; at < bytes.length; at += pieceBytes)
    messages.push(message('d', bytes.subarray(at, at + pieceBytes)));
  return Buffer.concat([...messages, message('c')]);
}

const ready = message('Z', 'I');

/** A server that answers each command from a table; what is null cuts the connection. */
async function serve(
  t: TestContext,
  version: string,
  answers: Readonly<Record<string, readonly (Buffer | null)[]>>,
): Promise<number> {
  const server = createServer((socket) => {
    let begun = false;
    socket.on('error', () => undefined);
    socket.on('data', (data: Buffer) => {
      if (!begun) {
        begun = true;
        const hello = [
          message('R', int32(0)),
          message('S', `server_version\0${version}\0`),
          message('K', int32(1), int32(2)),
          ready,
        ];
        return void socket.write(Buffer.concat(hello));
      }
      if (data[0] !== 0x51) return;
      const command = data.toString('utf8', 5, data.length - 1);
      for (const part of answers[command] ?? [message('E', 'SERROR\0C42601\0Msyntax error\0\0'), ready]) {
        if (part) socket.write(part);
        else socket.end();
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as { port: number }).port;
}

async function open(t: TestContext, port: number): Promise<ReplicationSession> {
  const settings = await connectionSettings(`postgresql://u@127.0.0.1:${port}/?sslmode=disable`, {
    password: null,
    env: {},
  });
  const session = await openReplication(settings);
  t.after(() => session.close());
  return session;
}

const command =
  "BASE_BACKUP LABEL 'old' PROGRESS FAST NOWAIT TABLESPACE_MAP NOVERIFY_CHECKSUMS MANIFEST 'yes' MANIFEST_CHECKSUMS 'NONE'";
const options = { label: 'old', fastCheckpoint: true, tablespaceMap: true, manifest: true };
const position = (lsn: string): Buffer => result(['recptr', 'tli'], [lsn, '3']);
const places = result(['spcoid', 'spclocation', 'size'], ['16384', '/space', '7'], [null, null, '20']);

/** As those servers make them, without the blocks of zeros at the end. */
function tar(t: TestContext, name: string, content: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-tar-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, name), content);
  const { stdout } = spawnSync('tar', ['--format=ustar', '-C', folder, '-cf', '-', name]);
  return stdout.subarray(0, 512 + Math.ceil(content.length / 512) * 512);
}

describe('a server before 15', () => {
  test('sends a stream for each archive and one for the manifest', async (t) => {
    const answer = [
      position('0/2000028'),
      places,
      copyOut(tar(t, 'in-space', 'a'.repeat(1000)), 300),
      message('N', 'SWARNING\0C01000\0Msomething\0\0'),
      copyOut(tar(t, 'backup_label', 'b'.repeat(700)), 4096),
      copyOut(Buffer.from('{"Files": []}'), 5),
      position('0/2000100'),
      message('C', 'BASE_BACKUP\0'),
      ready,
    ];
    const session = await open(t, await serve(t, '14.9', { [command]: answer }));
    assert.equal(session.major, 14);
    const backup = await session.baseBackup(options);
    assert.deepEqual(backup.start, { lsn: 0x2000028n, timeline: 3 });
    assert.deepEqual(backup.tablespaces, [{ oid: 16384, location: '/space', bytes: 7168 }]);
    const found: unknown[] = [];
    for await (const { tablespace, entries } of backup.archives()) {
      for await (const entry of entries) {
        let text = '';
        for await (const piece of entry.bytes) text += Buffer.from(piece).toString();
        found.push([tablespace?.oid ?? null, entry.path, text.length]);
      }
    }
    assert.deepEqual(found, [
      [16384, 'in-space', 1000],
      [null, 'backup_label', 700],
    ]);
    assert.equal(Buffer.from(backup.manifest()!).toString(), '{"Files": []}');
    assert.deepEqual(backup.end(), { lsn: 0x2000100n, timeline: 3 });
  });

  test('that ends the connection between archives has not ended the backup', async (t) => {
    const answer = [position('0/2000028'), places, copyOut(tar(t, 'in-space', 'a'), 300), null];
    const session = await open(t, await serve(t, '13.2', { [command]: answer }));
    const backup = await session.baseBackup(options);
    const read = async (): Promise<void> => {
      for await (const { entries } of backup.archives()) for await (const _ of entries);
    };
    await assert.rejects(read(), (error) => hasCode(error, 'database-connection-lost'));
  });

  test('makes slots in the older grammar', async (t) => {
    const made = [result(['slot_name'], ['s']), ready];
    const session = await open(
      t,
      await serve(t, '13.2', { 'CREATE_REPLICATION_SLOT "s" TEMPORARY PHYSICAL RESERVE_WAL': made }),
    );
    await session.createPhysicalSlot('s', { temporary: true, reserve: true });
    await assert.rejects(
      session.createPhysicalSlot('s', { temporary: false, reserve: false }),
      /syntax error/,
    );
  });

  test('is too old before 13', async (t) => {
    const opened = open(t, await serve(t, '12.22', {}));
    await assert.rejects(opened, (error) => hasCode(error, 'database-version'));
  });
});
