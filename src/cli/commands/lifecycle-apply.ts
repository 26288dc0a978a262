import { applyLifecycle, bucketOf, prepareLifecycle } from '../../engine/cold/lifecycle.ts';
import { changesNothing } from '../../engine/cold/lifecycle-plan.ts';
import { openBucketSession, withRepositoryArgument } from '../bucket-session.ts';
import { defineCommand } from '../command.ts';
import { confirm } from '../confirm.ts';
import { plural } from '../format.ts';
import { diffJson, printDangers, printDiff } from '../lifecycle-printer.ts';
import { flag } from '../options.ts';

export const command = defineCommand({
  name: 'apply',
  usage: 'apply [OPTION]... [REPOSITORY]',
  description: `
    Writes the rules that tiers and lifecycle of the configuration say, after showing the difference and asking. Rules
    of others stay as they are. The credentials need s3:GetLifecycleConfiguration and s3:PutLifecycleConfiguration,
    which a backup job should not have.`,
  positionals: { max: 1 },
  options: {
    'dry-run': flag({ short: 'n', help: 'only show the difference' }),
    yes: flag({ help: 'do not ask' }),
  },
  examples: [
    { command: 'lifeboat lifecycle apply offsite', explains: 'show the difference, ask, write' },
    { command: 'lifeboat lifecycle apply offsite --yes', explains: 'write without asking' },
  ],
  async run(context) {
    const { output, args, options } = context;
    const session = await openBucketSession(withRepositoryArgument(context, args[0]));
    const bucket = bucketOf(session.storage);
    const read = await prepareLifecycle(bucket, session);
    const { plan } = read;
    if (output.json) output.jsonLine(diffJson(plan));
    else printDiff(output, plan, bucket.root);
    if (!output.json) printDangers(output, plan.dangers);
    const changes = plan.add.length + plan.change.length + plan.remove.length;
    if (changesNothing(plan)) output.info(`the bucket ${bucket.name} has the rules that it should have`);
    else if (options.dryRun) output.info(`\n${plural(changes, 'rule')} would be written`);
    else {
      await confirm(context, `\nWrite this to the bucket ${bucket.name}?`, options.yes);
      await applyLifecycle(bucket, read, session);
      const kept = plan.keep.length > 0 ? `, ${plan.keep.length} left as they were` : '';
      output.info(`\n${plural(changes, 'rule')} of the bucket ${bucket.name} written and read again${kept}`);
      if (session.tiers.length > 0) output.info('next: `lifeboat tier apply` marks the packs that may move');
    }
    if (output.json) output.jsonLine({ message_type: 'summary', changes: options.dryRun ? 0 : changes });
    return 0;
  },
});
