import { LifeboatError } from '../core/errors.ts';

/**
 * Splits a command line into its words. Single and double quotes keep spaces; a backslash ends a word as a
 * space does, save before a quote, which it makes an ordinary character (restic
 * internal/backend/shell_split.go). No shell is involved.
 *
 * @throws LifeboatError `usage` for an open quote or no word at all.
 */
export function splitCommand(line: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  let previous = '';
  const endWord = (): void => {
    if (word !== '') words.push(word);
    word = '';
  };
  for (const character of line) {
    const escaped = previous === '\\';
    if (!escaped && quote === '' && (character === '"' || character === "'")) {
      endWord();
      quote = character;
    } else if (!escaped && quote === character) {
      endWord();
      quote = '';
    } else {
      previous = character;
      if (quote === '' && (character === '\\' || /\s/.test(character))) endWord();
      else word += character;
    }
  }
  endWord();
  if (quote !== '') throw new LifeboatError('usage', `a quote (${quote}) is not closed in the command`);
  if (words.length === 0) throw new LifeboatError('usage', 'the command is empty');
  return words;
}
