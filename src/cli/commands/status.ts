import { defineCommand } from '../command.ts';
import { requireConfiguration, sourceNamed } from '../configured.ts';
import { copiesStatus } from '../copies-status.ts';
import { copiesJson, printCopies } from '../copies-status-printer.ts';
import { flag, valueOr } from '../options.ts';

type Rule = '3-2-1' | '3-2-1-1-0';

function rule(given: string): Rule {
  if (given !== '3-2-1' && given !== '3-2-1-1-0') throw new Error('expected 3-2-1 or 3-2-1-1-0');
  return given;
}

export const command = defineCommand({
  name: 'status',
  usage: 'status [OPTION]... [SOURCE]...',
  description: `
    Shows for each source of the configuration how many copies of it exist, on how many kinds of storage and in how
    many places, how old the newest snapshot in each is and how far the log of a database reaches there, and whether
    the 3-2-1 rule holds: three copies, two kinds of storage, one elsewhere. The long rule 3-2-1-1-0 also wants one
    that is immutable or offline, and no error when they were last checked.

    The data itself is the first of the three, on a disk (path) of this machine. A copy counts while it has a
    snapshot; one out of reach does not, but a removable one that was taken away does, as it was last seen. Each
    rule that is broken comes with the next step.`,
  positionals: { max: Number.POSITIVE_INFINITY },
  opensRepository: false,
  options: {
    copies: flag({ help: 'show the copies; in this version that is all there is to show' }),
    rule: valueOr<Rule>({
      placeholder: 'RULE',
      help: 'the rule that the exit status is about: 3-2-1 or 3-2-1-1-0 (default)',
      fallback: '3-2-1-1-0',
      parse: rule,
    }),
  },
  exitStatuses: { 3: 'a rule does not hold', 4: 'a repository is out of reach, or not there' },
  documentation: 'copies.md',
  examples: [
    { command: 'lifeboat status --copies', explains: 'all sources' },
    { command: 'lifeboat status --copies --rule 3-2-1 app-db', explains: 'one source, by the short rule' },
  ],
  async run(context) {
    const { args, options, output } = context;
    const configuration = await requireConfiguration(context);
    for (const name of args) sourceNamed(configuration, name);
    const found = await copiesStatus(context, configuration, args);
    for (const [n, each] of found.entries()) {
      if (output.json) output.jsonLine(copiesJson(each));
      else {
        if (n > 0) output.line();
        printCopies(context, each);
      }
    }
    if (
      found.some(({ repositories }) =>
        repositories.some(({ state }) => state === 'unreachable' || state === 'missing'),
      )
    )
      return 4;
    const holds = found.every(({ verdict }) =>
      options.rule === '3-2-1' ? verdict.holds321 : verdict.holds32110,
    );
    return holds ? 0 : 3;
  },
});
