import { defineCommand } from '../command.ts';

export const command = defineCommand({
  name: 'schema',
  usage: 'schema',
  description: `
    Prints the JSON Schema (draft 2020-12) of the configuration file. Editors complete keys and explain them
    where the file begins with a line that names the schema:
    # yaml-language-server: $schema=lifeboat.schema.json`,
  opensRepository: false,
  options: {},
  examples: [
    { command: 'lifeboat config schema > lifeboat.schema.json', explains: 'keep it beside the file' },
  ],
  async run({ output }) {
    const { configurationJsonSchema } = await import('../../app/configuration/schema.ts');
    output.line(JSON.stringify(configurationJsonSchema(), null, output.json ? undefined : 2));
    return 0;
  },
});
