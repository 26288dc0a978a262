import { defineCommand } from '../command.ts';
import { runTier } from '../run-tier.ts';

export const command = defineCommand({
  name: 'plan',
  usage: 'plan [OPTION]... [REPOSITORY]',
  description: `
    Shows which tier each snapshot is in (with --verbose why), which packs no hotter snapshot needs, and an estimate of
    what the repository costs before and after. Changes nothing. Costs a request for each pack, as tags are not listed.`,
  positionals: { max: 1 },
  options: {},
  examples: [{ command: 'lifeboat tier plan offsite', explains: 'what would move, and what it saves' }],
  run: (context) => runTier(context, false),
});
