import { defineFamily } from '../command.ts';

export const command = defineFamily({
  name: 'tier',
  description: `
    Tiers of a repository on S3: how long snapshots are kept, and in which storage class. A pack may go to a colder class
    when no snapshot of a hotter tier needs anything in it. Lifeboat marks such packs with a tag; the bucket moves them
    by the rules that \`lifeboat lifecycle apply\` writes.`,
  members: {
    plan: {
      summary: 'show which tier each snapshot is in, which packs may move, and what that saves',
      load: async () => (await import('./tier-plan.ts')).command,
    },
    apply: {
      summary: 'mark the packs that may move',
      load: async () => (await import('./tier-apply.ts')).command,
    },
  },
});
