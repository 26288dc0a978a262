import { readLocks, removeLocks } from '../../repository/lock.ts';
import { defineCommand } from '../command.ts';
import { plural } from '../format.ts';
import { flag } from '../options.ts';
import { openSession } from '../session.ts';

export const command = defineCommand({
  name: 'unlock',
  usage: 'unlock [--remove-all]',
  description: `
    Removes the locks of processes that are gone: those of this host whose process has ended, and those that
    were not refreshed for half an hour. With --remove-all, every lock, even of a process at work: make sure
    that there is none.`,
  options: { 'remove-all': flag({ help: 'remove every lock, also those in use' }) },
  async run(context) {
    const { options, output } = context;
    const repository = await openSession(context);
    const removed = await removeLocks(repository, options.removeAll);
    if (removed > 0) output.info(`successfully removed ${removed} locks`);
    if (removed > 0 || options.removeAll || !output.isTerminal) return 0;
    const { locks, unreadable } = await readLocks(repository);
    const left = locks.length + unreadable.length;
    output.info(left === 0 ? 'there are no locks' : `${plural(left, 'lock')} in use, none to remove`);
    return 0;
  },
});
