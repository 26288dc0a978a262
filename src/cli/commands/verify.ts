import { storageAt } from '../../app/connect.ts';
import { LifeboatError } from '../../core/errors.ts';
import {
  type TamperAttempt,
  type TamperOutcome,
  type TamperReport,
  testTampering,
} from '../../engine/immutability/tamper.ts';
import { withRepositoryArgument } from '../bucket-session.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { locateRepository } from '../configured.ts';
import { formatZonedTime } from '../format.ts';
import { flag } from '../options.ts';
import { storageAccess } from '../storage-access.ts';
import { formatTable } from '../table.ts';

export const command = defineCommand({
  name: 'verify',
  usage: 'verify --tamper [OPTION]... [REPOSITORY]',
  description: `
    Verifies what a repository promises. With --tamper: whether it can be destroyed with these very credentials. Run it
    as the backup job runs. It writes a canary below lifeboat/canary/, tries to overwrite and to delete it, by version
    as well, and to end its protection before its time, and says for each attempt what came of it.

    The canary of a bucket with Object Lock is locked for a minute; the next run removes it. Nothing else is touched, and
    no password is needed.`,
  positionals: { max: 1 },
  exitStatuses: { 1: 'the canary could be destroyed, or it could not be tested' },
  options: {
    tamper: flag({ help: 'try to destroy a canary with the credentials of the job' }),
  },
  examples: [
    {
      command: 'lifeboat verify --tamper offsite',
      explains: 'what somebody could do who takes over this machine',
    },
  ],
  documentation: 'storage.md',
  async run(given) {
    const context = withRepositoryArgument(given, given.args[0]);
    if (!context.options.tamper)
      throw new LifeboatError('usage', 'verify what? Give --tamper', {
        hint: '`lifeboat check --read-data` verifies content, `lifeboat up` proves a restore',
      });
    const { location, options } = await locateRepository(context.global, context);
    const access = storageAccess(context, options);
    // What the far side refuses is to be seen, not what this program does.
    const bare = { ...access, options: access.options.filter(([key]) => key !== 'storage.append-only') };
    const { layer: _, ...uncached } = bare;
    const report = await testTampering(storageAt(location, uncached));
    print(context, report);
    if (!report.protects)
      throw new LifeboatError(
        'repository-unprotected',
        `${report.location} does not protect what these credentials have stored`,
        hintOf(report),
      );
    return 0;
  },
});

/** Where nothing but a bypass of governance went through, something simpler helps. */
function hintOf({ results }: TamperReport): { hint?: string } {
  const bad = results.filter(({ outcome }) => outcome !== 'refused' && outcome !== 'recoverable');
  return bad.every(({ attempt }) => attempt.endsWith('-bypassing-governance'))
    ? { hint: 'use `compliance`, or deny these credentials s3:BypassGovernanceRetention' }
    : {};
}

const attempts: Readonly<Record<TamperAttempt, string>> = {
  overwrite: 'overwrite',
  delete: 'delete',
  'delete-version': 'delete the version',
  'shorten-retention': 'shorten the retention',
  'delete-version-bypassing-governance': 'delete the version, bypassing governance',
  'shorten-retention-bypassing-governance': 'shorten the retention, bypassing governance',
};

const outcomes: Readonly<Record<TamperOutcome, readonly ['green' | 'yellow' | 'red', string]>> = {
  refused: ['green', 'refused'],
  recoverable: ['green', 'done, but can be undone'],
  weakened: ['red', 'done: no longer protected'],
  destroyed: ['red', 'done: destroyed'],
  unknown: ['yellow', 'done; whether it can be undone is not to be seen'],
};

const protections: Readonly<Record<TamperReport['protection'], string>> = {
  'object-lock': 'Object Lock',
  versions: 'versions, without Object Lock',
  none: 'no protection of its own',
};

function print({ output }: Pick<CommandContext, 'output'>, report: TamperReport): void {
  const { results, protection, mode, mayListVersions, protects, leftUntilMs } = report;
  if (output.json) {
    output.jsonLine({
      message_type: 'tamper_test',
      location: report.location,
      canary: report.canary,
      protection,
      mode: protection === 'object-lock' ? mode : null,
      attempts: results,
      may_list_versions: mayListVersions,
      protects,
    });
    return;
  }
  const what = protection === 'object-lock' ? `${protections[protection]}, ${mode}` : protections[protection];
  output.line(`canary ${report.canary}: ${what}`);
  output.line();
  const rows = results.map(({ attempt, outcome }) => [attempts[attempt], outcomes[outcome][1]]);
  const [headings, rule, ...lines] = formatTable(['attempt', 'outcome'], rows);
  output.line(headings);
  output.line(rule);
  for (const [n, line] of lines.entries()) {
    const result = results[n];
    output.line(result && results.length > n ? output.style(outcomes[result.outcome][0], line) : line);
    if (result) output.verbose(`  ${result.detail}`);
  }
  output.line();
  if (mayListVersions === true)
    output.line('These credentials can list versions; an attacker sees what to delete.');
  if (leftUntilMs !== null && leftUntilMs > Date.now())
    output.info(
      `The canary is locked until ${formatZonedTime(leftUntilMs, false)}; the next run removes it.`,
    );
  if (!protects) return;
  const undone = results.some(({ outcome }) => outcome === 'recoverable');
  output.line(output.style('green', 'What these credentials have stored is safe from them.'));
  if (undone)
    output.info(
      'What was hidden or overwritten comes back with `lifeboat repair undelete` and credentials that may.',
    );
}
