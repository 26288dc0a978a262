import { LifeboatError } from '../../core/errors.ts';
import { bucketOf, prepareLifecycle } from '../../engine/cold/lifecycle.ts';
import { differencesOf } from '../../engine/cold/lifecycle-plan.ts';
import { openBucketSession, withRepositoryArgument } from '../bucket-session.ts';
import { defineCommand } from '../command.ts';
import { plural } from '../format.ts';
import { printDangers } from '../lifecycle-printer.ts';

export const command = defineCommand({
  name: 'check',
  usage: 'check [OPTION]... [REPOSITORY]',
  description: `
    Compares the rules of the bucket with those that the configuration says, and names every difference. Rules of others
    that could delete what snapshots need, or move it where it cannot be read, are failures too. For monitoring.`,
  positionals: { max: 1 },
  options: {},
  exitStatuses: { 1: 'the rules differ, or one of them is dangerous' },
  examples: [
    { command: 'lifeboat lifecycle check offsite', explains: 'nothing to say means that all is well' },
  ],
  async run(context) {
    const { output, args } = context;
    const session = await openBucketSession(withRepositoryArgument(context, args[0]));
    const bucket = bucketOf(session.storage);
    const { plan } = await prepareLifecycle(bucket, session);
    const differences = differencesOf(plan);
    const errors = plan.dangers.filter(({ severity }) => severity === 'error');
    if (output.json) {
      for (const message of differences) output.jsonLine({ message_type: 'difference', message });
      for (const danger of plan.dangers) output.jsonLine({ message_type: 'danger', ...danger });
      output.jsonLine({ message_type: 'summary', differences: differences.length, dangers: errors.length });
    } else {
      for (const message of differences) output.warn(`drift: ${message}`);
      printDangers(output, plan.dangers);
    }
    if (errors.length > 0) {
      throw new LifeboatError(
        'lifecycle-dangerous',
        `${plural(errors.length, 'danger')} in the lifecycle of the bucket ${bucket.name}: ${errors.map(({ rule }) => rule).join(', ')}`,
      );
    }
    if (differences.length > 0) {
      throw new LifeboatError(
        'lifecycle-drift',
        `the lifecycle of the bucket ${bucket.name} differs from the configuration in ${plural(differences.length, 'rule')}`,
      );
    }
    output.info(`the lifecycle of the bucket ${bucket.name} is as it should be`);
    return 0;
  },
});
