import { LifeboatError } from '../../../core/errors.ts';
import type { TableName } from '../../../sources/postgres/logical/toc.ts';

const part = /^(?:"((?:[^"]|"")+)"|([^".]+))/;

/**
 * `SCHEMA.TABLE`, each in double quotes where it holds a dot; without a schema `public`. Names are taken as they
 * are, without folding to small letters.
 * @throws LifeboatError `usage`.
 */
export function parseTableName(text: string): TableName {
  const names: string[] = [];
  let left = text;
  for (;;) {
    const match = part.exec(left);
    if (!match) break;
    names.push(match[1]?.replaceAll('""', '"') ?? match[2]!);
    left = left.slice(match[0].length);
    if (!left.startsWith('.')) break;
    left = left.slice(1);
  }
  if (left === '' && names.length === 1) return { schema: 'public', table: names[0]! };
  if (left === '' && names.length === 2) return { schema: names[0]!, table: names[1]! };
  throw new LifeboatError('usage', `${JSON.stringify(text)} is no name of a table`, {
    hint: 'give SCHEMA.TABLE, with a name in double quotes where it has a dot in it',
  });
}
