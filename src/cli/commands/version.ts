import { defineCommand } from '../command.ts';
import { lifeboatVersion, versionLine } from '../version.ts';

export const command = defineCommand({
  name: 'version',
  usage: 'version [--json]',
  description: 'Prints the version of Lifeboat and of the Node.js it runs on.',
  opensRepository: false,
  options: {},
  async run({ output }) {
    if (output.json) {
      output.jsonLine({
        message_type: 'version',
        version: lifeboatVersion(),
        node_version: process.version,
        os: process.platform,
        arch: process.arch,
      });
    } else output.line(versionLine());
    return 0;
  },
});
