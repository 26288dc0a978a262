import { LifeboatError } from '../core/errors.ts';
import { nearest } from '../core/suggest.ts';
import type { Command, CommandFamily, Listing } from './command.ts';
import { globalOptionTable } from './global-options.ts';
import { firstPositional } from './parse-options.ts';

export interface FoundCommand {
  readonly command: Command | CommandFamily;
  readonly summary: string;
  /** What was typed before its name: `lifeboat`, `lifeboat key`. */
  readonly prefix: string;
  /** The arguments without the command's name. */
  readonly args: readonly string[];
}

/**
 * Follows the words of a command line down to a command. Stops at a family when no further word follows.
 *
 * @returns null when there is no word at all.
 * @throws LifeboatError `usage` for a word that names no command, with the nearest that does.
 */
export async function findCommand(
  args: readonly string[],
  table: Readonly<Record<string, Listing>>,
): Promise<FoundCommand | null> {
  let found: FoundCommand | null = null;
  let members = table;
  let prefix = 'lifeboat';
  let rest = args;
  for (;;) {
    const word = firstPositional(rest, globalOptionTable);
    if (word === undefined) return found;
    const listing = Object.hasOwn(members, word.text) ? members[word.text] : undefined;
    if (listing === undefined) throw unknownCommand(prefix, word.text, members);
    rest = rest.toSpliced(word.index, 1);
    const command = await listing.load();
    found = { command, summary: listing.summary, prefix, args: rest };
    if (command.kind === 'command') return found;
    members = command.members;
    prefix = `${prefix} ${word.text}`;
  }
}

function unknownCommand(
  prefix: string,
  word: string,
  members: Readonly<Record<string, Listing>>,
): LifeboatError {
  const near = nearest(word, Object.keys(members));
  const suggestion = near === undefined ? '' : `; did you mean ${near}?`;
  return new LifeboatError('usage', `unknown command ${JSON.stringify(`${prefix} ${word}`)}${suggestion}`);
}
