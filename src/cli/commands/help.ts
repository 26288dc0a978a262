import { readFile } from 'node:fs/promises';
import type { ErrorCode } from '../../core/errors.ts';
import { errnoOf, errorRegistry } from '../../core/errors.ts';
import { defineCommand } from '../command.ts';
import { commandGroups, commandTable } from '../command-table.ts';
import { findCommand } from '../find-command.ts';
import type { HelpStyle } from '../help.ts';
import { formatCommandHelp, formatFamilyHelp, formatGlobalOptions, formatOverview } from '../help.ts';
import { wrap } from '../text-width.ts';

export const command = defineCommand({
  name: 'help',
  usage: 'help [COMMAND... | options | ERROR-CODE]',
  description: `
    Explains a command with its options and examples, the options that every command takes, or an error by
    the code that is printed with it. Without an argument it lists the commands.`,
  opensRepository: false,
  positionals: { max: 3 },
  options: {},
  examples: [
    { command: 'lifeboat help backup', explains: 'the backup command' },
    { command: 'lifeboat help password-wrong', explains: 'an error' },
  ],
  async run({ args, output }) {
    const style = { columns: output.readableColumns, heading: (text: string) => output.style('bold', text) };
    for (const line of await explain(args, style)) output.line(line);
    return 0;
  },
});

async function explain(topic: readonly string[], style: HelpStyle): Promise<string[]> {
  const [word, ...more] = topic;
  if (word === 'options') return formatGlobalOptions(style);
  if (
    word !== undefined &&
    more.length === 0 &&
    Object.hasOwn(errorRegistry, word) &&
    !Object.hasOwn(commandTable, word)
  ) {
    return explainError(word as ErrorCode, style);
  }
  const found = await findCommand(topic, commandTable);
  if (found === null) return formatOverview(commandGroups, style);
  return found.command.kind === 'family'
    ? formatFamilyHelp(found.command, found.summary, found.prefix, style)
    : formatCommandHelp(found.command, found.summary, found.prefix, style);
}

async function explainError(code: ErrorCode, style: HelpStyle): Promise<string[]> {
  const { exit, retryable, hint } = errorRegistry[code];
  const facts = [
    style.heading(code),
    '',
    ...wrap(`What to do: ${hint}.`, style.columns),
    '',
    `Exit status ${exit}. ${retryable ? 'Trying the same again may succeed.' : 'Trying the same again will not help.'}`,
  ];
  const page = await errorPage(code);
  return page === null ? facts : [...facts, '', ...page.trimEnd().split('\n')];
}

/** The page of the documentation about an error; null when this installation has none. */
async function errorPage(code: ErrorCode): Promise<string | null> {
  for (const root of ['../', '../../../']) {
    try {
      return await readFile(new URL(`${root}docs/errors/${code}.md`, import.meta.url), 'utf8');
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
  return null;
}
