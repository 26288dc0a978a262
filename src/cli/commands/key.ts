import { defineFamily } from '../command.ts';

export const command = defineFamily({
  name: 'key',
  description: `
    Each key is a password that opens the repository. There may be any number of them, for different people or
    machines; all of them open the same master key.`,
  members: {
    list: {
      summary: 'list the keys',
      load: async () => (await import('./key-list.ts')).command,
    },
    add: {
      summary: 'let a further password open the repository',
      load: async () => (await import('./key-add.ts')).command,
    },
    remove: {
      summary: 'remove a key',
      load: async () => (await import('./key-remove.ts')).command,
    },
    passwd: {
      summary: 'change the password',
      load: async () => (await import('./key-passwd.ts')).command,
    },
  },
});
