import { type ErrorKind, kind } from './error-kind.ts';

/** The part of the registry (errors.ts) that is about databases, their log and their recovery. */
export const databaseErrors = {
  'journal-damaged': kind(
    1,
    false,
    'restore the object from a copy of the repository; `lifeboat windows` shows what can be recovered without it',
  ),
  'journal-conflict': kind(
    1,
    false,
    'two servers write the same log: make sure that only one archives into this journal, and give the other a source of its own',
  ),
  'database-settings': kind(
    1,
    false,
    'check the connection string, its parameters and the PG… variables of the environment',
  ),
  'database-unreachable': kind(
    1,
    true,
    'check that the server runs and that host, port and firewall let this machine in',
  ),
  'database-login-refused': kind(1, false, "check user and password, and the server's pg_hba.conf"),
  'database-tls': kind(
    1,
    false,
    "check sslmode, and that sslrootcert holds the certificate of the server's authority",
  ),
  'database-permission': kind(
    1,
    false,
    'grant the role what the message names, or connect as a role that has it',
  ),
  'database-missing': kind(1, false, 'check the name of the database; `psql -l` lists those that exist'),
  'database-failed': kind(1, false, "read the server's message; its log has the details"),
  'database-connection-lost': kind(
    1,
    true,
    "run the command again; the server's log tells why it ended the connection",
  ),
  'database-version': kind(1, false, 'use a version of PostgreSQL that the message allows'),
  'database-pooler': kind(1, false, 'connect to the server itself instead of a connection pooler'),
  'wal-removed': kind(
    1,
    false,
    'take a new backup; a replication slot keeps the server from removing WAL that is still needed',
  ),
  'wal-other-cluster': kind(
    1,
    false,
    'if the server was replaced or upgraded, say so once with --new-cluster; otherwise correct the connection or the source',
  ),
  'wal-file-invalid': kind(
    1,
    false,
    'use `lifeboat wal push %p` as archive_command, and nothing else calls it',
  ),
  'wal-not-archived': kind(
    1,
    true,
    'run `lifeboat wal receive`, or set archive_command, then look at `lifeboat wal status` and back up again',
  ),
  'wal-receiver-running': kind(
    1,
    true,
    'use the process that runs, or end it first; `lifeboat wal status` shows what it does',
  ),
  'slot-missing': kind(1, false, 'let Lifeboat make the slot again, then take a new backup'),
  'slot-exists': kind(1, false, 'drop the replication slot if nobody uses it any more, or use another name'),
  'slot-busy': kind(
    1,
    true,
    'end the other receiver that uses this replication slot, or give this one another slot',
  ),
  'recovery-backup-missing': kind(
    1,
    false,
    'take a backup with `lifeboat backup --source NAME`; `lifeboat snapshots` lists those that exist',
  ),
  'recovery-target-too-early': kind(
    1,
    false,
    '`lifeboat windows` shows the points that can be recovered; choose one of them',
  ),
  'recovery-target-unreachable': kind(
    1,
    false,
    '`lifeboat windows` shows the points that can be recovered, and how to close gaps',
  ),
  'recovery-timeline': kind(
    1,
    false,
    'choose a timeline with --timeline; `lifeboat windows` shows which there are',
  ),
  'recovery-target-not-empty': kind(
    1,
    false,
    'name an empty folder with --target, or the data directory of this very cluster to restore in place',
  ),
  'recovery-server-running': kind(1, false, 'stop the server, or let it be stopped with --stop-server'),
  'recovery-failed': kind(
    1,
    true,
    "read the server's message; when its cause is gone, run the same restore again",
  ),
  'recovery-damaged': kind(
    1,
    false,
    'recover to an earlier point or from another backup, and look at the disks of the original server',
  ),
  'tool-missing': kind(
    1,
    false,
    "install PostgreSQL's client programs of the server's version, or name their folder",
  ),
  'tool-older-than-server': kind(
    1,
    false,
    "install PostgreSQL's client programs of the server's version or newer",
  ),
  'tool-failed': kind(1, false, 'read what the program said, above'),
} as const satisfies Record<string, ErrorKind>;
