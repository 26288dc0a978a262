import type { Comparison } from './comparison.ts';
import { barCells, barHead, rowTable } from './format.ts';

const widthMax = 84;

/** Columns aligned by spaces; the last one is as long as it is. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, column) =>
    Math.min(widthMax, Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0))),
  );
  const line = (cells: readonly string[]): string =>
    `  ${cells.map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column]!))).join('  ')}`.trimEnd();
  return [line(head), ...rows.map(line)].join('\n');
}

/** One comparison with what every program needed. */
export function comparisonText(comparison: Comparison): string {
  const { title, detail, runs, bars } = comparison;
  const { head, rows } = rowTable(comparison);
  const about = [detail, runs > 0 ? `runs: ${runs}` : ''].filter((part) => part !== '').join('; ');
  const parts = [`${title}${about === '' ? '' : ` (${about})`}`, table(head, rows)];
  if (bars.length > 0)
    parts.push(
      table(
        barHead.slice(1),
        bars.map((bar) => barCells(comparison, bar).slice(1)),
      ),
    );
  return `${parts.join('\n')}\n`;
}

/** All bars, and how many are met. */
export function summaryText(comparisons: readonly Comparison[]): string {
  const rows = comparisons.flatMap((comparison) => comparison.bars.map((bar) => barCells(comparison, bar)));
  if (rows.length === 0) return '';
  return `${table(barHead, rows)}\n\n${countsText(rows)}\n`;
}

/** @param bars cells of rows, the last of which says whether a bar is met. */
export function countsText(bars: readonly (readonly string[])[]): string {
  const count = (met: string): number => bars.filter((cells) => cells.at(-1) === met).length;
  const [met, missed] = [count('yes'), count('NO')];
  return `${bars.length} ${bars.length === 1 ? 'bar' : 'bars'}: ${met} met, ${missed} not met, ${bars.length - met - missed} not measured`;
}
