import { configurationPlaces, findConfiguration, readConfiguration } from '../../app/configuration/load.ts';
import { formatProblem, type Problem } from '../../app/configuration/problems.ts';
import { formatDurationMs } from '../../app/configuration/units.ts';
import { LifeboatError } from '../../core/errors.ts';
import {
  type Configuration,
  holdersOfSource,
  repositoriesOfSource,
  type SourceConfiguration,
} from '../../model/configuration.ts';
import { defineCommand } from '../command.ts';

function describeSource(source: SourceConfiguration): string {
  if (source.type === 'files')
    return `files, ${source.paths.length} path${source.paths.length > 1 ? 's' : ''}`;
  const { method, journal } = source;
  const lag = journal ? `, journal at most ${formatDurationMs(journal.maxLagMs)} behind` : '';
  return `postgres, ${method}${lag}`;
}

function meaning(configuration: Configuration): string[] {
  const repositories = Object.entries(configuration.repositories);
  const sources = Object.values(configuration.sources);
  const width = Math.max(
    0,
    ...repositories.map(([name]) => name.length),
    ...sources.map(({ name }) => name.length),
  );
  return [
    ...repositories.map(([name, { location }]) => `  repository  ${name.padEnd(width)}  ${location}`),
    ...sources.map((source) => {
      const kept = repositoriesOfSource(configuration, source.name);
      const copied = holdersOfSource(configuration, source.name).slice(kept.length);
      const where = [kept.join(', ') || 'nowhere', ...(copied.length > 0 ? [copied.join(', ')] : [])];
      return `  source      ${source.name.padEnd(width)}  ${describeSource(source)} → ${where.join(' → ')}`;
    }),
  ];
}

export const command = defineCommand({
  name: 'validate',
  usage: 'validate [FILE]',
  description: `
    Checks the configuration file: every key, unit, name and reference. Each problem is named by file, line and
    column. Nothing is connected to, and no secret is looked up.`,
  positionals: { max: 1 },
  opensRepository: false,
  options: {},
  exitStatuses: { 1: 'the file has problems, or there is none' },
  examples: [
    { command: 'lifeboat config validate', explains: 'the file that other commands would use' },
    { command: 'lifeboat config validate new.yaml', explains: 'another one' },
  ],
  async run({ args, global, env, output }) {
    const path = await findConfiguration(args[0] ?? global.config ?? null, env);
    if (path === null)
      throw new LifeboatError(
        'configuration-missing',
        `there is no configuration to check: neither ${configurationPlaces.join(' nor ')} can be read`,
      );
    const { configuration, problems, warnings } = await readConfiguration(path, env);
    if (output.json) {
      output.jsonLine({
        message_type: 'configuration',
        path,
        valid: configuration !== null,
        problems,
        warnings,
      });
      return configuration ? 0 : 1;
    }
    const lines = (list: readonly Problem[]): string[] => list.map((each) => formatProblem(path, each));
    for (const line of lines(warnings)) output.warn(`warning: ${line}`);
    if (!configuration) {
      for (const line of lines(problems)) output.warn(line);
      const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
      throw new LifeboatError('configuration-invalid', `${path} has ${count}, named above`);
    }
    output.info(`${output.style('green', '✓')} ${path}`);
    for (const line of meaning(configuration)) output.info(line);
    return 0;
  },
});
