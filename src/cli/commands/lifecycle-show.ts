import { bucketOf, readLifecycle } from '../../engine/cold/lifecycle.ts';
import { openBucketSession, withRepositoryArgument } from '../bucket-session.ts';
import { defineCommand } from '../command.ts';
import { printRules, ruleJson } from '../lifecycle-printer.ts';

export const command = defineCommand({
  name: 'show',
  usage: 'show [OPTION]... [REPOSITORY]',
  description: 'Shows every rule of the bucket: those of Lifeboat, and those of others.',
  positionals: { max: 1 },
  options: {},
  examples: [
    { command: 'lifeboat lifecycle show offsite', explains: 'of a repository of the configuration' },
    {
      command: 'lifeboat -r s3:https://s3.example.org/acme-backups/app lifecycle show',
      explains: 'of a location',
    },
  ],
  async run(context) {
    const { output, args } = context;
    const bucket = bucketOf((await openBucketSession(withRepositoryArgument(context, args[0]))).storage);
    const rules = await readLifecycle(bucket);
    if (output.json) for (const rule of rules) output.jsonLine({ message_type: 'rule', ...ruleJson(rule) });
    else if (rules.length === 0) output.line(`the bucket ${bucket.name} has no lifecycle rules`);
    else printRules(output, rules, bucket.root);
    return 0;
  },
});
