import { defineFamily } from '../command.ts';

export const command = defineFamily({
  name: 'lifecycle',
  description: `
    The lifecycle of the bucket that a repository on S3 lies in: rules by which the bucket itself moves packs to colder
    storage classes and tidies up. Lifeboat writes rules whose names begin with lifeboat-, and leaves those of others
    alone. None of its rules deletes an object that is current.`,
  members: {
    show: {
      summary: 'show the rules of the bucket',
      load: async () => (await import('./lifecycle-show.ts')).command,
    },
    diff: {
      summary: 'show what `apply` would change',
      load: async () => (await import('./lifecycle-diff.ts')).command,
    },
    apply: {
      summary: 'write the rules that the configuration says',
      load: async () => (await import('./lifecycle-apply.ts')).command,
    },
    check: {
      summary: 'find drift, and rules of others that are dangerous',
      load: async () => (await import('./lifecycle-check.ts')).command,
    },
  },
});
