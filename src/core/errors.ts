import { databaseErrors } from './database-errors.ts';
import { type ErrorKind, kind } from './error-kind.ts';

/**
 * One error class, one registry. Every failure a user can cause or meet has a code, an exit status that
 * restic's users know (doc/075_scripting.rst), and a hint that says what to do.
 */

export const errorRegistry = {
  'output-failed': kind(
    1,
    true,
    'free space where the output goes, or send it elsewhere, then run the command again',
  ),
  usage: kind(1, false, 'run `lifeboat help` or `lifeboat help COMMAND` to see the options'),
  internal: kind(
    1,
    false,
    'this is a defect in Lifeboat; please report it with the output of the same command under LIFEBOAT_DEBUG=1',
  ),
  cancelled: kind(130, true, 'run the same command again; what was already stored is reused'),
  'incomplete-backup': kind(
    3,
    true,
    'a snapshot was saved without the items listed above; make them readable and run the backup again',
  ),
  'pages-damaged': kind(
    3,
    false,
    'check disk and memory of the server and run `pg_amcheck`; the snapshot before this one may have the pages whole',
  ),
  'sources-failed': kind(
    1,
    true,
    'each failure is named above with what to do; run the command again for those sources',
  ),
  'incomplete-forget': kind(
    3,
    true,
    'the snapshots named above are still there; run the same command again when the storage lets them be removed',
  ),
  'configuration-missing': kind(
    1,
    false,
    'name the file with --config FILE or LIFEBOAT_CONFIG; docs/configuration.md shows how to write one',
  ),
  'configuration-invalid': kind(
    1,
    false,
    'correct the file and run `lifeboat config validate`; docs/configuration.md lists every key',
  ),
  'secret-missing': kind(
    1,
    false,
    'check the variable, file or command that the configuration names for this secret',
  ),
  'repository-missing': kind(10, false, 'check the path, or create a repository there with `lifeboat init`'),
  'repository-absent': kind(
    10,
    true,
    'mount the medium and run the command again; `lifeboat status --copies` shows what it held when it was last seen',
  ),
  'copy-unproven': kind(
    1,
    true,
    'look at the disk of the target, then run the copy again; nothing refers to the object that is named',
  ),
  'copy-incomplete': kind(
    3,
    true,
    'what could not be copied is named above with what to do; run the copy again, and it goes on from there',
  ),
  'repository-exists': kind(1, false, 'choose another location, or use the repository that is there'),
  'repository-foreign': kind(1, false, 'check that the path points to a restic or Lifeboat repository'),
  'repository-version': kind(1, false, 'this repository was written by a newer version; update Lifeboat'),
  'repository-damaged': kind(
    1,
    false,
    'run `lifeboat check --read-data` to see the extent, then `lifeboat repair`',
  ),
  'repository-locked': kind(
    11,
    true,
    'wait until the other process has finished, or use --retry-lock; if it no longer runs, `lifeboat unlock`',
  ),
  'lock-lost': kind(
    11,
    true,
    'another process removed this lock or the storage was out of reach too long; run the command again',
  ),
  'lock-raced': kind(11, true, 'run the command again'),
  'lock-invalid': kind(
    11,
    false,
    'make sure that no process uses the repository, then run `lifeboat unlock --remove-all`',
  ),
  'password-wrong': kind(12, false, 'check LIFEBOAT_PASSWORD, the password file or the recovery kit'),
  'password-missing': kind(
    1,
    false,
    'give --password-file FILE or --password-command CMD, or set LIFEBOAT_PASSWORD',
  ),
  'storage-missing-file': kind(1, false, 'the file is not in the repository; run `lifeboat check`'),
  'storage-exists': kind(1, false, 'another process was at it at the same time; look at what is there now'),
  'storage-full': kind(
    1,
    true,
    'free space at the repository, then run the command again; nothing that was stored is lost',
  ),
  'storage-denied': kind(1, false, 'check owner and permissions of the repository'),
  'storage-failed': kind(1, true, 'check the disk and the system log, then run the command again'),
  'storage-unreachable': kind(
    1,
    true,
    'check the network, the address of the storage and that it runs, then run the command again',
  ),
  'storage-throttled': kind(
    1,
    true,
    'run the command again later, or with fewer connections (such as `-o s3.connections=2`)',
  ),
  'storage-credentials': kind(
    1,
    false,
    'check the access key and its secret (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile), and whether they have expired',
  ),
  'storage-bucket-missing': kind(
    1,
    false,
    'check the name of the bucket and the endpoint; `lifeboat init` creates the bucket where it may',
  ),
  'storage-clock-skew': kind(
    1,
    false,
    'set the clock of this machine (`timedatectl` shows whether it is synchronised), then run the command again',
  ),
  'storage-tls': kind(
    1,
    false,
    "name the certificate of the storage's authority with --cacert FILE, or correct the address",
  ),
  'storage-settings': kind(
    1,
    false,
    'correct what the storage objects to: endpoint, region, storage class, encryption or bucket lookup',
  ),
  'storage-archived': kind(
    1,
    false,
    'bring the packs back with `lifeboat thaw SNAPSHOT`, which tells time and cost first, then run the command again',
  ),
  'bucket-feature-missing': kind(1, false, 'use a bucket of a provider that has it; nothing else needs it'),
  'lifecycle-changed': kind(1, true, 'look at it again with `lifeboat lifecycle diff`, then apply'),
  'lifecycle-drift': kind(
    1,
    false,
    'see what would be written with `lifeboat lifecycle diff`, write it with `lifeboat lifecycle apply`',
  ),
  'lifecycle-dangerous': kind(
    1,
    false,
    'take the rules named above out of the bucket, or limit them to other prefixes, with the tools of their owner',
  ),
  'tier-incomplete': kind(1, true, 'run `lifeboat tier apply` again when the storage takes the tags'),
  'thaw-incomplete': kind(1, true, 'run the same command again: what was asked for is not asked for twice'),
  'replication-behind': kind(
    1,
    true,
    'see in the tools of the provider why it fails: mostly permissions, or a bucket that is not there any more',
  ),
  'storage-append-only': kind(
    1,
    false,
    'run this where the repository may be deleted from, with credentials that the backup job does not have',
  ),
  'retention-not-extended': kind(
    3,
    true,
    'allow the account s3:GetObjectRetention and s3:PutObjectRetention, or run `lifeboat retain` with one that has them',
  ),
  'snapshot-held': kind(
    1,
    false,
    'release it with `lifeboat hold --release` if it may really go; `lifeboat hold --list` shows what is held',
  ),
  'repository-unprotected': kind(
    1,
    false,
    'use Object Lock (`immutability`), a server that refuses (`lifeboat serve --append-only`), or an account that may not delete',
  ),
  'storage-object-lock-missing': kind(
    1,
    false,
    'make a new bucket with Object Lock (`lifeboat init` does, where `immutability` is set), or remove `immutability`',
  ),
  'storage-journal-refused': kind(
    1,
    false,
    'keep the journal in another repository, or serve this one with `lifeboat serve`',
  ),
  'ssh-settings': kind(1, false, 'correct the SSH configuration, or name another with LIFEBOAT_SFTP_CONFIG'),
  'ssh-host-unknown': kind(1, false, 'compare the key with that of the server, then add it to known_hosts'),
  'ssh-host-changed': kind(1, false, 'find out why the host presents another key before you trust it'),
  'ssh-login-refused': kind(
    1,
    false,
    'name a key that the server knows, with LIFEBOAT_SFTP_KEY, IdentityFile or an agent',
  ),
  'snapshot-missing': kind(1, false, 'run `lifeboat snapshots` to see which snapshots exist'),
  'object-missing': kind(1, false, 'run `lifeboat list` with the kind of object to see which exist'),
  'path-missing': kind(1, false, 'check the path; `lifeboat ls SNAPSHOT` lists what a snapshot holds'),
  'source-unreadable': kind(1, false, 'check the path and its permissions'),
  'target-failed': kind(
    1,
    true,
    'check space and permissions at the target, then run the restore again; files already restored are kept',
  ),
  'scratch-full': kind(
    1,
    false,
    'free some space, or name a folder that has enough with --scratch FOLDER; the snapshot itself is stored',
  ),
  'private-file-failed': kind(1, false, 'check owner and permissions of the folder, or set XDG_CONFIG_HOME'),
  'proof-failed': kind(
    1,
    false,
    'run `lifeboat check --read-data`, check memory and disks of this machine, and back up again',
  ),
  'restore-incomplete': kind(
    1,
    true,
    'see the errors above; run the same restore again when their cause is gone: files already restored are kept',
  ),
  'dump-failed': kind(1, true, 'when the cause that the message names is gone, run the backup again'),
  'database-restore-failed': kind(
    1,
    true,
    'when the cause that the message names is gone, run the restore again',
  ),
  'hook-failed': kind(1, true, 'run the hook by itself to see why it fails, then run the command again'),
  'confirmation-needed': kind(
    1,
    false,
    'look at the plan with --dry-run, then run the command again with --yes',
  ),
  'tree-unsafe': kind(
    1,
    false,
    'the snapshot holds an entry that must not be restored; run `lifeboat check` and restore other parts with --include',
  ),
  'export-failed': kind(
    1,
    true,
    'check space and permissions where the export goes, then run the command again',
  ),
  'export-exists': kind(1, false, 'choose another name, or remove the files of the older export first'),
  'export-damaged': kind(
    1,
    false,
    'read the volume again from its medium or from another copy; if it stays damaged, make a new export',
  ),
  'export-incomplete': kind(
    1,
    false,
    'give all volumes of one export, and none of another; `lifeboat import --list` tells what a file is',
  ),
  'export-version': kind(1, false, 'this export was written by a newer version; update Lifeboat'),
  'export-key-missing': kind(
    1,
    false,
    "give the export's password with --from-password-file FILE or --from-password-command COMMAND",
  ),
  ...databaseErrors,
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorRegistry;

export interface ErrorDetails {
  /** Replaces the registry's hint where this place knows better. */
  readonly hint?: string;
  readonly cause?: unknown;
}

export class LifeboatError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly exitStatus: number;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    const registered = errorRegistry[code];
    this.name = 'LifeboatError';
    this.code = code;
    this.hint = details.hint ?? registered.hint;
    this.exitStatus = registered.exit;
    this.retryable = registered.retryable;
  }
}

/** True for a LifeboatError with one of these codes. */
export function hasCode(error: unknown, ...codes: ErrorCode[]): error is LifeboatError {
  return error instanceof LifeboatError && codes.includes(error.code);
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The errno name (`ENOENT`, `ENOSPC`, …) of a Node system error, or '' for any other value. */
export function errnoOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}
