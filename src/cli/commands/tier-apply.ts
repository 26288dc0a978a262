import { defineCommand } from '../command.ts';
import { flag } from '../options.ts';
import { runTier } from '../run-tier.ts';

export const command = defineCommand({
  name: 'apply',
  usage: 'apply [OPTION]... [REPOSITORY]',
  description: `
    Marks the packs that no hotter snapshot needs with the tag lifeboat-tier=CLASS, and takes marks back from packs that
    are needed again. The bucket moves what is marked, see \`lifeboat lifecycle\`. Run it after forget and prune. The
    credentials need s3:GetObjectTagging and s3:PutObjectTagging.`,
  positionals: { max: 1 },
  options: { 'dry-run': flag({ short: 'n', help: 'the same as `tier plan`' }) },
  exitStatuses: { 1: 'some packs could not be marked' },
  examples: [
    { command: 'lifeboat tier apply offsite', explains: 'after the nightly forget and prune' },
    { command: 'lifeboat tier apply offsite --dry-run', explains: 'only show the plan' },
  ],
  run: (context) => runTier(context as Parameters<typeof runTier>[0], !context.options.dryRun),
});
