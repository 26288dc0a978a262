import type { Listing } from './command.ts';
import type { CommandGroup } from './help.ts';

/**
 * Every command, grouped by what people come for. A command is loaded when it is run, so that one does not
 * pay for the others. To add one: write `commands/<verb>.ts`, then a line here.
 */
export const commandGroups: readonly CommandGroup[] = [
  {
    title: 'Backing up',
    members: {
      up: {
        summary: 'back up and prove it, from nothing',
        load: async () => (await import('./commands/up.ts')).command,
      },
      backup: {
        summary: 'make a snapshot of files, folders or a stream',
        load: async () => (await import('./commands/backup.ts')).command,
      },
      wal: {
        summary: 'store the log of a PostgreSQL server second by second',
        load: async () => (await import('./commands/wal.ts')).command,
      },
    },
  },
  {
    title: 'Looking',
    members: {
      status: {
        summary: 'show how many copies exist, and whether the 3-2-1 rule holds',
        load: async () => (await import('./commands/status.ts')).command,
      },
      snapshots: {
        summary: 'list the snapshots',
        load: async () => (await import('./commands/snapshots.ts')).command,
      },
      ls: {
        summary: 'list the files in a snapshot',
        load: async () => (await import('./commands/ls.ts')).command,
      },
      find: {
        summary: 'find files, folders or blobs in all snapshots',
        load: async () => (await import('./commands/find.ts')).command,
      },
      diff: {
        summary: 'show what changed between two snapshots',
        load: async () => (await import('./commands/diff.ts')).command,
      },
      dump: {
        summary: 'write a file to standard output, or a folder as tar or zip',
        load: async () => (await import('./commands/dump.ts')).command,
      },
      cat: {
        summary: 'show an object of the repository',
        load: async () => (await import('./commands/cat.ts')).command,
      },
      list: {
        summary: 'list the IDs of objects of the repository',
        load: async () => (await import('./commands/list.ts')).command,
      },
      stats: {
        summary: 'count what snapshots and the repository hold',
        load: async () => (await import('./commands/stats.ts')).command,
      },
    },
  },
  {
    title: 'Restoring',
    members: {
      restore: {
        summary: 'bring files of a snapshot back into a folder',
        load: async () => (await import('./commands/restore.ts')).command,
      },
      windows: {
        summary: 'show to which points databases can be recovered',
        load: async () => (await import('./commands/windows.ts')).command,
      },
    },
  },
  {
    title: 'Keeping in order',
    members: {
      check: {
        summary: 'test the repository for errors',
        load: async () => (await import('./commands/check.ts')).command,
      },
      repair: {
        summary: 'save what can be saved of a damaged repository',
        load: async () => (await import('./commands/repair.ts')).command,
      },
      recover: {
        summary: 'the same as `repair orphans`: find what was forgotten by accident',
        load: async () => (await import('./commands/repair-orphans.ts')).recoverCommand,
      },
      copy: {
        summary: 'copy snapshots and log to further repositories',
        load: async () => (await import('./commands/copy.ts')).command,
      },
      export: {
        summary: 'write snapshots to a tape, a USB disk or a stream',
        load: async () => (await import('./commands/export.ts')).command,
      },
      import: {
        summary: 'bring exported snapshots into a repository',
        load: async () => (await import('./commands/import.ts')).command,
      },
      forget: {
        summary: 'remove snapshots by a policy',
        load: async () => (await import('./commands/forget.ts')).command,
      },
      rewrite: {
        summary: 'take files out of snapshots, or change their host or time',
        load: async () => (await import('./commands/rewrite.ts')).command,
      },
      tag: {
        summary: 'change the tags of snapshots',
        load: async () => (await import('./commands/tag.ts')).command,
      },
      prune: {
        summary: 'delete data that no snapshot needs',
        load: async () => (await import('./commands/prune.ts')).command,
      },
      verify: {
        summary: 'try whether the credentials of the job can destroy a repository',
        load: async () => (await import('./commands/verify.ts')).command,
      },
      hold: {
        summary: 'keep snapshots until further notice, whatever the policies say',
        load: async () => (await import('./commands/hold.ts')).command,
      },
      retain: {
        summary: 'extend the protection of what snapshots need',
        load: async () => (await import('./commands/retain.ts')).command,
      },
    },
  },
  {
    title: 'Cold storage',
    members: {
      tier: {
        summary: 'move packs that only old snapshots need to colder storage classes',
        load: async () => (await import('./commands/tier.ts')).command,
      },
      lifecycle: {
        summary: "show, write and check the rules of a repository's bucket",
        load: async () => (await import('./commands/lifecycle.ts')).command,
      },
      thaw: {
        summary: 'bring archived packs back, so that a snapshot can be read',
        load: async () => (await import('./commands/thaw.ts')).command,
      },
      replication: {
        summary: "check a bucket's own replication",
        load: async () => (await import('./commands/replication.ts')).command,
      },
    },
  },
  {
    title: 'Repository and keys',
    members: {
      key: {
        summary: 'list, add, remove and change passwords',
        load: async () => (await import('./commands/key.ts')).command,
      },
      unlock: {
        summary: 'remove locks that processes left behind',
        load: async () => (await import('./commands/unlock.ts')).command,
      },
      serve: {
        summary: 'keep the repositories of other machines, over HTTP',
        load: async () => (await import('./commands/serve.ts')).command,
      },
      init: {
        summary: 'create a repository',
        load: async () => (await import('./commands/init.ts')).command,
      },
      cache: {
        summary: 'list or remove what this machine keeps of repositories elsewhere',
        load: async () => (await import('./commands/cache.ts')).command,
      },
    },
  },
  {
    title: 'Configuration',
    members: {
      config: {
        summary: 'check or show the configuration file',
        load: async () => (await import('./commands/config.ts')).command,
      },
    },
  },
  {
    title: 'About Lifeboat',
    members: {
      help: {
        summary: 'explain a command, an option or an error',
        load: async () => (await import('./commands/help.ts')).command,
      },
      version: {
        summary: 'print the version',
        load: async () => (await import('./commands/version.ts')).command,
      },
    },
  },
];

/** Every command by its name. */
export const commandTable: Readonly<Record<string, Listing>> = Object.assign(
  {},
  ...commandGroups.map((group) => group.members),
);
