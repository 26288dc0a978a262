import type { RuleName } from '../policy/copy-rules.ts';
import type { CommandContext } from './command.ts';
import type { RepositoryStatus, SourceCopies } from './copies-status.ts';
import { plural } from './format.ts';
import { formatTable } from './table.ts';

type Context = Pick<CommandContext, 'output' | 'env'>;

/** The part of 3-2-1-1-0 that a rule is. */
const numbers: Readonly<Record<RuleName, string>> = {
  copies: '3',
  kinds: '2',
  elsewhere: '1',
  untouchable: '1',
  'no-errors': '0',
};

/** Marks that a terminal without UTF-8 can show as well. */
function marksFor(env: Context['env']): { readonly yes: string; readonly no: string } {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || 'UTF-8';
  return /utf-?8/i.test(locale) ? { yes: '✓', no: '✗' } : { yes: 'ok', no: 'no' };
}

/** `12 s`, `5 min`, `3 h`, `2 d`. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 48 * 3600 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

const agoOf = (time: string | null, nowMs: number, without: string): string =>
  time === null ? without : `${formatAge(nowMs - Date.parse(time))} ago`;

const extents = { structure: 'structure', part: 'part of the data', all: 'all data' } as const;

function checkedText({ verified }: RepositoryStatus, nowMs: number): string {
  if (!verified) return 'never';
  const result = verified.errors === 0 ? 'no errors' : plural(verified.errors, 'error');
  return `${result} (${extents[verified.extent]}), ${agoOf(verified.at, nowMs, '')}`;
}

function stateText({ state, seenAt, protection }: RepositoryStatus, nowMs: number): string {
  if (state === 'there')
    return protection === 'none' ? 'there' : protection.replace('not-seen', 'no retention seen');
  return `${state === 'absent' ? 'not mounted' : state}, seen ${agoOf(seenAt, nowMs, 'never')}`;
}

/** How much older its newest snapshot is than the newest of all, milliseconds. */
export function behindMs({ newest }: RepositoryStatus, all: readonly RepositoryStatus[]): number {
  const times = all.flatMap((each) => (each.newest === null ? [] : [Date.parse(each.newest)]));
  return newest === null || times.length === 0 ? 0 : Math.max(...times) - Date.parse(newest);
}

export function printCopies({ output, env }: Context, status: SourceCopies, nowMs = Date.now()): void {
  const { source, journaled, repositories, verdict } = status;
  const { yes, no } = marksFor(env);
  const mark = (holds: boolean): string => output.style(holds ? 'green' : 'red', holds ? yes : no);
  output.line(
    `${output.style('bold', source)}   3-2-1 ${mark(verdict.holds321)}   3-2-1-1-0 ${mark(verdict.holds32110)}`,
  );
  if (repositories.length > 0) {
    const headings = [
      'repository',
      'kind',
      'site',
      'snapshots',
      'newest',
      ...(journaled ? ['log up to'] : []),
      'state',
      'checked',
    ];
    const rows = repositories.map((each) => [
      each.repository,
      each.kind,
      each.site,
      String(each.snapshots),
      agoOf(each.newest, nowMs, 'none'),
      ...(journaled ? [agoOf(each.journalUntil, nowMs, 'none')] : []),
      stateText(each, nowMs),
      checkedText(each, nowMs),
    ]);
    for (const line of formatTable(headings, rows)) output.line(`  ${line}`);
  }
  for (const { rule, holds, found, next } of verdict.rules) {
    output.line(`  ${mark(holds)} ${numbers[rule]}  ${found}`);
    if (next !== null) output.line(`       next: ${next}`);
  }
  for (const each of repositories) {
    if (each.state === 'unreachable' || each.state === 'missing')
      output.line(`  ${output.style('yellow', each.repository)} does not count: ${each.reason}`);
    const behind = behindMs(each, repositories);
    if (behind > 0 && each.by === 'copy')
      output.line(
        `  ${output.style('yellow', each.repository)} is ${formatAge(behind)} behind: lifeboat copy --to ${each.repository}`,
      );
  }
}

/** The same for programs. */
export function copiesJson({ source, repositories, verdict }: SourceCopies, nowMs = Date.now()): object {
  return {
    message_type: 'copies',
    source,
    copies: verdict.copies,
    kinds: verdict.kinds,
    sites: verdict.sites,
    holds_3_2_1: verdict.holds321,
    holds_3_2_1_1_0: verdict.holds32110,
    rules: verdict.rules,
    repositories: repositories.map((each) => ({
      name: each.repository,
      by: each.by,
      kind: each.kind,
      site: each.site,
      state: each.state,
      reason: each.reason,
      seen_at: each.seenAt,
      snapshots: each.snapshots,
      newest: each.newest,
      newest_age_seconds: each.newest === null ? null : Math.round((nowMs - Date.parse(each.newest)) / 1000),
      behind_seconds: Math.round(behindMs(each, repositories) / 1000),
      journal_until: each.journalUntil,
      protection: each.protection,
      verified: each.verified,
    })),
  };
}
