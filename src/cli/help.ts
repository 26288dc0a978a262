import type { Command, CommandFamily, Example, Listing } from './command.ts';
import { globalOptionTable } from './global-options.ts';
import type { OptionSpec, OptionTable } from './options.ts';
import { displayWidth, padToWidth, wrap } from './text-width.ts';

export interface HelpStyle {
  readonly columns: number;
  /** Makes a heading stand out. */
  heading(text: string): string;
}

/** Commands under one heading of the overview. */
export interface CommandGroup {
  readonly title: string;
  readonly members: Readonly<Record<string, Listing>>;
}

const gap = 3;
const indent = '  ';
const spellingCellsMax = 34;

const commonStatuses: Readonly<Record<number, string>> = { 0: 'success', 1: 'failure' };
const repositoryStatuses: Readonly<Record<number, string>> = {
  10: 'the repository does not exist',
  11: 'the repository is locked',
  12: 'the password is wrong',
};
const interruptedStatus: Readonly<Record<number, string>> = { 130: 'interrupted' };

/** The overview that `lifeboat help` prints. */
export function formatOverview(groups: readonly CommandGroup[], style: HelpStyle): string[] {
  const names = groups.flatMap((group) => Object.keys(group.members));
  const width = Math.max(...names.map(displayWidth));
  return [
    ...wrap(
      'Lifeboat backs up, restores, and proves that it can, in repositories of restic’s format.',
      style.columns,
    ),
    '',
    style.heading('Usage:'),
    `${indent}lifeboat [OPTION]... COMMAND [ARGUMENT]...`,
    ...groups.flatMap(({ title, members }) => [
      '',
      style.heading(`${title}:`),
      ...listMembers(members, width, style),
    ]),
    '',
    'lifeboat help COMMAND      a command, its options and examples',
    'lifeboat help options      options that every command takes',
    'lifeboat help ERROR-CODE   an error and what to do about it',
  ];
}

/** The help of one command. `prefix` is what comes before its name: `lifeboat`, `lifeboat key`. */
export function formatCommandHelp(
  command: Command,
  summary: string,
  prefix: string,
  style: HelpStyle,
): string[] {
  const lines = [
    ...wrap(`${prefix} ${command.name}: ${summary}`, style.columns),
    '',
    style.heading('Usage:'),
    `${indent}${prefix} ${command.usage}`,
    ...paragraphs(command.description, style),
  ];
  const options = formatOptions(command.options, style);
  if (options.length > 0) lines.push('', style.heading('Options:'), ...options);
  if (command.examples !== undefined)
    lines.push('', style.heading('Examples:'), ...formatExamples(command.examples, style));
  const opens = command.opensRepository !== false;
  lines.push('', style.heading('Exit status:'));
  lines.push(
    ...formatStatuses(
      {
        ...commonStatuses,
        ...command.exitStatuses,
        ...(opens ? repositoryStatuses : {}),
        ...interruptedStatus,
      },
      style,
    ),
  );
  lines.push('', 'Options of every command (-r, -p, --json, -q, -v, …): lifeboat help options');
  if (command.documentation !== undefined) lines.push(`Read more: ${command.documentation}`);
  return lines;
}

/** The help of a family of commands. */
export function formatFamilyHelp(
  family: CommandFamily,
  summary: string,
  prefix: string,
  style: HelpStyle,
): string[] {
  const names = Object.keys(family.members);
  return [
    `${prefix} ${family.name}: ${summary}`,
    '',
    style.heading('Usage:'),
    ...names.map((name) => `${indent}${prefix} ${family.name} ${name}`),
    ...paragraphs(family.description, style),
    '',
    style.heading('Commands:'),
    ...listMembers(family.members, Math.max(...names.map(displayWidth)), style),
    '',
    `${prefix} ${family.name} COMMAND --help   a command, its options and examples`,
  ];
}

/** The help of the options that every command takes. */
export function formatGlobalOptions(style: HelpStyle): string[] {
  return [
    style.heading('Options that every command takes:'),
    ...formatOptions(globalOptionTable, style),
    '',
    style.heading('Environment:'),
    ...hanging(
      [
        ['LIFEBOAT_PASSWORD, RESTIC_PASSWORD', 'the password of the repository'],
        [
          'LIFEBOAT_PROGRESS_FPS, RESTIC_PROGRESS_FPS',
          'print progress so many times a second, also where no terminal is',
        ],
        ['LIFEBOAT_DEBUG=1', 'show where an error came from'],
        ['NO_COLOR=1', 'print without colours'],
      ],
      style,
    ),
    '',
    ...wrap(
      'An option on the command line beats the environment, and a LIFEBOAT_ variable beats its RESTIC_ twin.',
      style.columns,
    ),
  ];
}

/** Options, aligned: spelling, what it does, the variables that stand in for it. */
export function formatOptions(table: OptionTable, style: HelpStyle): string[] {
  const shown = Object.entries(table).filter(([, spec]) => spec.hidden !== true);
  const anyShort = shown.some(([, spec]) => spec.short !== undefined);
  return hanging(
    shown.map(([name, spec]) => {
      const env = spec.env === undefined ? '' : ` [${spec.env.map((variable) => `$${variable}`).join(', ')}]`;
      return [spelling(name, spec, anyShort), spec.help + env];
    }),
    style,
  );
}

function spelling(name: string, spec: OptionSpec<unknown>, anyShort: boolean): string {
  const short = spec.short === undefined ? (anyShort ? '    ' : '') : `-${spec.short}, `;
  return `${short}--${name}${spec.takesValue ? ` ${spec.placeholder ?? 'VALUE'}` : ''}`;
}

function formatExamples(examples: readonly Example[], style: HelpStyle): string[] {
  return examples.flatMap(({ command, explains }, i) => [
    ...(i === 0 ? [] : ['']),
    ...wrap(`# ${explains}`, style.columns - indent.length).map((line) => indent + line),
    `${indent}${command}`,
  ]);
}

function formatStatuses(statuses: Readonly<Record<number, string>>, style: HelpStyle): string[] {
  return hanging(
    Object.entries(statuses).map(([status, meaning]) => [status.padStart(3), meaning]),
    style,
  );
}

function listMembers(members: Readonly<Record<string, Listing>>, width: number, style: HelpStyle): string[] {
  return hanging(
    Object.entries(members).map(([name, { summary }]) => [padToWidth(name, width), summary]),
    style,
  );
}

function paragraphs(text: string, style: HelpStyle): string[] {
  return text
    .trim()
    .split(/\n\s*\n/)
    .flatMap((paragraph) => ['', ...wrap(paragraph.trim(), style.columns)]);
}

/** Terms at the left and their explanations beside them, wrapped; a long term gets a line of its own. */
function hanging(entries: readonly (readonly [string, string])[], style: HelpStyle): string[] {
  const width = Math.min(spellingCellsMax, Math.max(0, ...entries.map(([term]) => displayWidth(term))));
  const margin = ' '.repeat(indent.length + width + gap);
  return entries.flatMap(([term, explanation]) => {
    const [first = '', ...rest] = wrap(explanation, Math.max(20, style.columns - margin.length));
    const head =
      displayWidth(term) > width
        ? [`${indent}${term}`, margin + first]
        : [`${indent}${padToWidth(term, width)}${' '.repeat(gap)}${first}`];
    return [...head, ...rest.map((line) => margin + line)];
  });
}
