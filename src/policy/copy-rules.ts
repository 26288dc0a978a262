import type { KnownVerification } from '../model/known-repository.ts';

/**
 * The 3-2-1 rule and its longer form 3-2-1-1-0: three copies of the data, on two kinds of storage, one of them
 * elsewhere; one that nobody can change or reach, and no error when they were last verified. The data itself counts as
 * the first of three, on a disk (`path`) of this machine.
 */

export type Protected =
  /** Object Lock is configured, and was seen on the newest snapshot. */
  | 'immutable'
  /** It is configured, but the newest snapshot does not have it. */
  | 'not-seen'
  /** Lifeboat itself refuses to delete; who has the credentials can, by other means. */
  | 'append-only'
  | 'none';

/** What is known of a source in a repository. */
export interface HeldCopy {
  readonly repository: string;
  /** How it gets there. */
  readonly by: 'backup' | 'copy';
  /** `path`, `removable`, `s3`, `sftp`, `rest`, … */
  readonly kind: string;
  readonly site: string;
  /**
   * `absent`: a medium that is taken away just now; `missing`: the storage answers, and has no repository. But for
   * `there` the rest is what was last seen.
   */
  readonly state: 'there' | 'absent' | 'missing' | 'unreachable';
  readonly snapshots: number;
  /** RFC 3339, or null. */
  readonly newest: string | null;
  readonly journalUntil: string | null;
  readonly protection: Protected;
  readonly verified: KnownVerification | null;
}

export type RuleName = 'copies' | 'kinds' | 'elsewhere' | 'untouchable' | 'no-errors';

export interface RuleVerdict {
  readonly rule: RuleName;
  readonly holds: boolean;
  /** What was found, as a sentence without its full stop. */
  readonly found: string;
  /** What to do where it does not hold. */
  readonly next: string | null;
}

export interface CopiesVerdict {
  /** The data itself and each copy that counts. */
  readonly copies: number;
  readonly kinds: readonly string[];
  readonly sites: readonly string[];
  readonly rules: readonly RuleVerdict[];
  /** The first three rules. */
  readonly holds321: boolean;
  /** All of them. */
  readonly holds32110: boolean;
}

/** A copy counts while there is a snapshot in it; one out of reach is not known to be, unless it was taken away. */
export function counts({ state, snapshots }: HeldCopy): boolean {
  return snapshots > 0 && (state === 'there' || state === 'absent');
}

/** @param here the site of this machine, where the data is. */
export function judgeCopies(source: string, held: readonly HeldCopy[], here: string): CopiesVerdict {
  const counted = held.filter(counts);
  const kinds = [...new Set(['path', ...counted.map(({ kind }) => kind)])];
  const sites = [...new Set([here, ...counted.map(({ site }) => site)])];
  const rules = [
    copiesRule(source, held, counted),
    kindsRule(source, held, kinds),
    elsewhereRule(source, held, sites, here),
    untouchableRule(counted),
    errorsRule(counted),
  ];
  return {
    copies: 1 + counted.length,
    kinds,
    sites,
    rules,
    holds321: rules.slice(0, 3).every(({ holds }) => holds),
    holds32110: rules.every(({ holds }) => holds),
  };
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

function verdict(rule: RuleName, holds: boolean, found: string, next: string): RuleVerdict {
  return { rule, holds, found, next: holds ? null : next };
}

/** What brings a copy to one of the repositories that do not count yet and would do, or null where none would. */
function fillStep(
  source: string,
  held: readonly HeldCopy[],
  wouldDo: (copy: HeldCopy) => boolean,
): string | null {
  const open = held.filter((copy) => !counts(copy) && wouldDo(copy));
  const first = (state: HeldCopy['state']): HeldCopy | undefined => open.find((copy) => copy.state === state);
  const empty = first('there');
  if (empty)
    return empty.by === 'backup'
      ? `lifeboat backup --source ${source}`
      : `lifeboat copy --to ${empty.repository}`;
  const missing = first('missing');
  if (missing) return `lifeboat -r ${missing.repository} init`;
  const lost = first('unreachable');
  if (lost) return `make ${lost.repository} reachable again`;
  const unseen = first('absent');
  return unseen ? `mount ${unseen.repository}, then: lifeboat copy --to ${unseen.repository}` : null;
}

function copiesRule(source: string, held: readonly HeldCopy[], counted: readonly HeldCopy[]): RuleVerdict {
  const found =
    counted.length === 0
      ? 'there is no copy of the data'
      : `the data and ${plural(counted.length, 'copy').replace('copys', 'copies')} of it`;
  const next =
    fillStep(source, held, () => true) ?? 'add a repository to `copies` of `protect`, then: lifeboat copy';
  return verdict('copies', counted.length >= 2, found, next);
}

function kindsRule(source: string, held: readonly HeldCopy[], kinds: readonly string[]): RuleVerdict {
  return verdict(
    'kinds',
    kinds.length >= 2,
    `${plural(kinds.length, 'kind')} of storage: ${kinds.join(', ')}`,
    fillStep(source, held, ({ kind }) => !kinds.includes(kind)) ??
      'keep a copy on something else than a disk of this machine: a bucket, another server or a disk to take away',
  );
}

function elsewhereRule(
  source: string,
  held: readonly HeldCopy[],
  sites: readonly string[],
  here: string,
): RuleVerdict {
  const others = sites.filter((site) => site !== here);
  const removable = held.find(({ kind, site }) => kind === 'removable' && site === here);
  return verdict(
    'elsewhere',
    others.length > 0,
    others.length > 0 ? `elsewhere: ${others.join(', ')}` : `all of it is in one place: ${here}`,
    fillStep(source, held, ({ site }) => site !== here) ??
      (removable
        ? `keep ${removable.repository} elsewhere, and say where with its \`site\``
        : 'keep a copy elsewhere; where a disk here is that of another place, say so with its `site`'),
  );
}

function untouchableRule(counted: readonly HeldCopy[]): RuleVerdict {
  const immutable = counted.filter(({ protection }) => protection === 'immutable');
  const offline = counted.filter(({ kind, state }) => kind === 'removable' && state === 'absent');
  const names = (copies: readonly HeldCopy[]): string =>
    copies.map(({ repository }) => repository).join(', ');
  const found = [
    ...(immutable.length > 0 ? [`immutable: ${names(immutable)}`] : []),
    ...(offline.length > 0 ? [`offline: ${names(offline)}`] : []),
  ];
  const mounted = counted.find(({ kind, state }) => kind === 'removable' && state === 'there');
  const unseen = counted.find(({ protection }) => protection === 'not-seen');
  const appendOnly = counted.find(({ protection }) => protection === 'append-only');
  const why = mounted
    ? `${mounted.repository} is mounted, so whatever happens here happens to it`
    : unseen
      ? `the newest snapshot in ${unseen.repository} has no retention, though \`immutability\` is configured`
      : appendOnly
        ? `append-only alone is weaker: who has the credentials of ${appendOnly.repository} can delete in other ways`
        : 'every copy can be deleted from here';
  const next = mounted
    ? `unmount ${mounted.repository} and take it away`
    : unseen
      ? `lifeboat -r ${unseen.repository} retain`
      : 'set `immutability` of a bucket with Object Lock, or copy to a `removable` disk and take it away';
  return verdict('untouchable', found.length > 0, found.length > 0 ? found.join('; ') : why, next);
}

function errorsRule(counted: readonly HeldCopy[]): RuleVerdict {
  const damaged = counted.find(({ verified }) => verified !== null && verified.errors > 0);
  const never = counted.filter(({ verified }) => verified === null);
  const [first] = never;
  if (damaged)
    return verdict(
      'no-errors',
      false,
      `${plural(damaged.verified!.errors, 'error')} in ${damaged.repository} when it was last checked`,
      `lifeboat -r ${damaged.repository} check`,
    );
  if (first)
    return verdict(
      'no-errors',
      false,
      `never verified: ${never.map(({ repository }) => repository).join(', ')}`,
      `${first.state === 'absent' ? `mount ${first.repository}, then: ` : ''}lifeboat -r ${first.repository} check`,
    );
  return verdict(
    'no-errors',
    counted.length > 0,
    counted.length > 0 ? 'no errors when the copies were last checked' : 'there is no copy to verify',
    'make a copy first',
  );
}
