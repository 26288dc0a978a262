import { defineFamily } from '../command.ts';

export const command = defineFamily({
  name: 'wal',
  description: `
    The journal of a PostgreSQL source: its write-ahead log, stored second by second, so that any point in time can
    be recovered. Either \`wal receive\` runs all the time and asks the server for its log, or PostgreSQL hands over
    each finished segment with archive_command = 'lifeboat wal push %p'.`,
  members: {
    receive: {
      summary: 'receive the log as it is written; runs until it is stopped',
      load: async () => (await import('./wal-receive.ts')).command,
    },
    push: {
      summary: 'store a file of the log, for archive_command',
      load: async () => (await import('./wal-push.ts')).command,
    },
    status: {
      summary: 'show how far the log is stored',
      load: async () => (await import('./wal-status.ts')).command,
    },
    compact: {
      summary: 'make whole segments of slices',
      load: async () => (await import('./wal-compact.ts')).command,
    },
  },
});
