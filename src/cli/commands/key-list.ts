import { listKeyOwners } from '../../engine/keys/list-keys.ts';
import { shortId } from '../../model/id.ts';
import { defineCommand } from '../command.ts';
import { formatLocalTime } from '../format.ts';
import { withRepository } from '../session.ts';
import { formatTable } from '../table.ts';
import { printable } from '../text-width.ts';

export const command = defineCommand({
  name: 'list',
  usage: 'list',
  description: `
    Lists the keys of the repository with the user and host that made them. An asterisk marks the one that was
    used to open it now.`,
  options: {},
  async run(context) {
    const { output } = context;
    const { keys, problems } = await withRepository(context, 'shared', listKeyOwners);
    for (const problem of problems) output.warn(problem.message);
    if (output.json) {
      output.jsonLine(
        keys.map(({ current, id, username, hostname, created }) => ({
          current,
          id,
          userName: username,
          hostName: hostname,
          created: formatLocalTime(created),
        })),
      );
      return 0;
    }
    const rows = keys.map(({ current, id, username, hostname, created }) => [
      `${current ? '*' : ' '}${shortId(id)}`,
      printable(username),
      printable(hostname),
      formatLocalTime(created),
    ]);
    const lines = formatTable([' ID', 'User', 'Host', 'Created'], rows);
    for (const line of [...lines, lines[1] ?? '']) output.line(line);
    return 0;
  },
});
