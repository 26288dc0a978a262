import { bucketOf, prepareLifecycle } from '../../engine/cold/lifecycle.ts';
import { changesNothing } from '../../engine/cold/lifecycle-plan.ts';
import { openBucketSession, withRepositoryArgument } from '../bucket-session.ts';
import { defineCommand } from '../command.ts';
import { diffJson, printDangers, printDiff } from '../lifecycle-printer.ts';

export const command = defineCommand({
  name: 'diff',
  usage: 'diff [OPTION]... [REPOSITORY]',
  description: `
    Shows what \`lifecycle apply\` would change: lines that begin with + are added, those with - removed. Rules of others
    are not touched and not shown.`,
  positionals: { max: 1 },
  options: {},
  examples: [{ command: 'lifeboat lifecycle diff offsite', explains: 'what would be written' }],
  async run(context) {
    const { output, args } = context;
    const session = await openBucketSession(withRepositoryArgument(context, args[0]));
    const bucket = bucketOf(session.storage);
    const { plan } = await prepareLifecycle(bucket, session);
    if (output.json) {
      output.jsonLine(diffJson(plan));
      for (const danger of plan.dangers) output.jsonLine({ message_type: 'danger', ...danger });
      return 0;
    }
    if (changesNothing(plan)) output.line(`the bucket ${bucket.name} has the rules that it should have`);
    else printDiff(output, plan, bucket.root);
    printDangers(output, plan.dangers);
    return 0;
  },
});
