import { configurationView, configurationYaml } from '../../app/configuration/view.ts';
import { defineCommand } from '../command.ts';
import { requireConfiguration } from '../configured.ts';

export const command = defineCommand({
  name: 'show',
  usage: 'show',
  description: `
    Prints the configuration as it is understood: absolute paths, every default written out. Secrets are shown
    as the references that stand in the file; nothing is looked up.`,
  opensRepository: false,
  options: {},
  examples: [
    { command: 'lifeboat config show', explains: 'as YAML' },
    { command: 'lifeboat config show --json', explains: 'for programs' },
  ],
  async run(context) {
    const { output } = context;
    const configuration = await requireConfiguration(context);
    if (output.json) output.jsonLine({ path: configuration.path, ...configurationView(configuration) });
    else output.line(`# ${configuration.path}\n${configurationYaml(configuration)}`.trimEnd());
    return 0;
  },
});
