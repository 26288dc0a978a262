import { displayWidth, padToWidth } from './text-width.ts';

/**
 * Columns aligned under their headings, a rule below the headings and, with a footer, one above it. A cell of
 * several lines makes its row as high. The last column is not padded.
 */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  footer?: string,
): string[] {
  const widths = headings.map((heading, column) =>
    Math.max(
      displayWidth(heading),
      ...rows.flatMap((row) => (row[column] ?? '').split('\n').map(displayWidth)),
    ),
  );
  const layout = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => padToWidth(cell, widths[column] ?? 0))
      .join('  ')
      .trimEnd();

  const lines = [layout(headings)];
  for (const row of rows) {
    const cells = headings.map((_, column) => (row[column] ?? '').split('\n'));
    const height = Math.max(...cells.map((cell) => cell.length));
    for (let i = 0; i < height; i++) lines.push(layout(cells.map((cell) => cell[i] ?? '')));
  }
  const rule = '-'.repeat(widths.reduce((sum, width) => sum + width + 2, -2));
  lines.splice(1, 0, rule);
  if (footer !== undefined) lines.push(rule, footer);
  return lines;
}
