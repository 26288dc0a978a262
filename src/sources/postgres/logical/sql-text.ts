/** Names and texts as SQL has them (documentation, "Lexical Structure"). */

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteText(text: string): string {
  const doubled = text.replaceAll("'", "''");
  return text.includes('\\') ? ` E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
}

/**
 * The statements of a script that pg_dumpall wrote, without comments, empty ones and psql's own commands.
 * Quoted names and texts, E'…' and dollar quotes may hold semicolons.
 */
export function splitStatements(script: string): string[] {
  const statements: string[] = [];
  let statement = '';
  const push = (): void => {
    if (statement.trim() !== '') statements.push(statement.trim());
    statement = '';
  };
  for (const [part] of script.matchAll(tokens)) {
    if (part.startsWith('--') || (part.startsWith('\\') && statement.trim() === '')) continue;
    if (part === ';') push();
    else statement += part;
  }
  push();
  return statements;
}

const tokens =
  /--[^\n]*|\\[^\n]*|\b[eE]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)[\s\S]*?\1|;|[\s\S]/g;
