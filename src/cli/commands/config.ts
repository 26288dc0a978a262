import { defineFamily } from '../command.ts';

export const command = defineFamily({
  name: 'config',
  description: `
    A configuration file names repositories and sources once, so that commands need only their names:
    lifeboat backup --source app-db. It is read from --config, LIFEBOAT_CONFIG, ./lifeboat.yaml or
    /etc/lifeboat/lifeboat.yaml.`,
  members: {
    validate: {
      summary: 'check the configuration file and say what it means',
      load: async () => (await import('./config-validate.ts')).command,
    },
    show: {
      summary: 'print the configuration with every default written out',
      load: async () => (await import('./config-show.ts')).command,
    },
    schema: {
      summary: 'print the JSON Schema of the file, for editors',
      load: async () => (await import('./config-schema.ts')).command,
    },
  },
});
