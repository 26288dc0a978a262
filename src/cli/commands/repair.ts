import { defineFamily } from '../command.ts';

export const command = defineFamily({
  name: 'repair',
  description: `
    Repairs a damaged repository. Run \`lifeboat check --read-data\` first: it says what is damaged and which of
    these commands to run, in which order: index, then packs, then snapshots.`,
  members: {
    index: {
      summary: 'build the index anew from the packs',
      load: async () => (await import('./repair-index.ts')).command,
    },
    packs: {
      summary: 'save what is intact in damaged packs, and remove these',
      load: async () => (await import('./repair-packs.ts')).command,
    },
    snapshots: {
      summary: 'take what is lost out of snapshots, so that the rest can be used',
      load: async () => (await import('./repair-snapshots.ts')).command,
    },
    undelete: {
      summary: 'bring back what was deleted or overwritten in a bucket that keeps versions',
      load: async () => (await import('./repair-undelete.ts')).command,
    },
    orphans: {
      summary: 'make a snapshot of folders that no snapshot refers to any more',
      load: async () => (await import('./repair-orphans.ts')).command,
    },
  },
});
