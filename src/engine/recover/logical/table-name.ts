import { LifeboatError } from '../../../core/errors.ts';
import type { TableName } from '../../../sources/postgres/logical/toc.ts';

const name = '(?:"((?:[^"]|"")+)"|([^".]+))';
const shape = new RegExp(`^(?:${name}\\.)?${name}$`);

/**
 * `SCHEMA.TABLE`, each in double quotes where it holds a dot; without a schema `public`. Names are taken as they
 * are, without folding to small letters.
 * @throws LifeboatError `usage`.
 */
export function parseTableName(text: string): TableName {
  const match = shape.exec(text);
  if (!match) {
    throw new LifeboatError('usage', `${JSON.stringify(text)} is no name of a table`, {
      hint: 'give SCHEMA.TABLE, with a name in double quotes where it has a dot in it',
    });
  }
  const [, quotedSchema, plainSchema, quotedTable, plainTable] = match;
  const unquoted = (quoted: string | undefined, plain: string | undefined): string | undefined =>
    quoted?.replaceAll('""', '"') ?? plain;
  return {
    schema: unquoted(quotedSchema, plainSchema) ?? 'public',
    table: unquoted(quotedTable, plainTable)!,
  };
}
