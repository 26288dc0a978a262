import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { errnoOf } from '../core/errors.ts';
import { losslessText } from '../model/go-text.ts';

/**
 * Names and numbers of users and groups: from /etc/passwd and /etc/group, and for what is not there from
 * whatever else this machine asks (LDAP, systemd), through getent(1). Every answer is kept, so a change while
 * the process runs is not seen.
 */

/** getent takes milliseconds; a disk from another machine may hold any number of strange owners. */
const getentRunsMax = 256;

interface Database {
  readonly file: string;
  readonly getentName: 'passwd' | 'group';
  /** Fields of a line; shorter lines are no entries (passwd(5), group(5)). */
  readonly fields: number;
}

const idPattern = /^\d{1,10}$/;

/** One of the two databases. */
class Accounts {
  readonly database: Database;
  private readonly names = new Map<number, string>();
  private readonly ids = new Map<string, number>();
  private fileRead = false;
  private getentRuns = 0;

  constructor(database: Database) {
    this.database = database;
  }

  private take(text: string): void {
    for (const line of text.split('\n')) {
      const fields = line.split(':');
      const [name = '', , id = ''] = fields;
      if (fields.length < this.database.fields || name === '' || !idPattern.test(id)) continue;
      if (name.startsWith('+') || name.startsWith('-') || name.startsWith('#')) continue;
      const known = losslessText(name);
      const number = Number(id);
      if (!this.names.has(number)) this.names.set(number, known);
      if (!this.ids.has(known)) this.ids.set(known, number);
    }
  }

  private readFile(): void {
    if (this.fileRead) return;
    this.fileRead = true;
    try {
      this.take(readFileSync(this.database.file, 'latin1'));
    } catch (error) {
      // A machine without these files (a bare container) has numbers only.
      if (errnoOf(error) === '') throw error;
    }
  }

  private ask(key: string): void {
    if (this.getentRuns >= getentRunsMax) return;
    this.getentRuns++;
    const result = spawnSync('getent', [this.database.getentName, key], { encoding: 'latin1' });
    if (result.error !== undefined) this.getentRuns = getentRunsMax;
    else if (result.status === 0) this.take(result.stdout);
  }

  name(id: number): string {
    const known = this.names.get(id);
    if (known !== undefined) return known;
    this.readFile();
    if (!this.names.has(id)) this.ask(String(id));
    if (!this.names.has(id)) this.names.set(id, '');
    return this.names.get(id) ?? '';
  }

  id(name: string): number | null {
    this.readFile();
    if (!this.ids.has(name) && name !== '' && !name.startsWith('-')) this.ask(name);
    return this.ids.get(name) ?? null;
  }
}

const users = new Accounts({ file: '/etc/passwd', getentName: 'passwd', fields: 7 });
const groups = new Accounts({ file: '/etc/group', getentName: 'group', fields: 4 });

/** A user's name, or '' where the number has none. */
export function userName(uid: number): string {
  return users.name(uid);
}

/** A group's name, or '' where the number has none. */
export function groupName(gid: number): string {
  return groups.name(gid);
}

/** A user's number, or null where there is no such user. */
export function userId(name: string): number | null {
  return users.id(name);
}

/** A group's number, or null where there is no such group. */
export function groupId(name: string): number | null {
  return groups.id(name);
}
