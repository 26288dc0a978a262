import type { Comparison } from './comparison.ts';
import { barCells, barHead, rowTable } from './format.ts';
import type { KeptGroup } from './kept.ts';
import type { GroupResult, Results } from './results.ts';
import { countsText } from './terminal.ts';

const escaped = (cell: string): string => cell.replaceAll('|', '\\|');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escaped).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function comparisonSection(comparison: Comparison): string {
  const { title, detail, runs } = comparison;
  const { head, rows } = rowTable(comparison);
  const about = [detail, runs > 0 ? `${runs} runs of each` : ''].filter((part) => part !== '').join('; ');
  return `**${title}**${about === '' ? '' : ` (${about})`}\n\n${table(head, rows)}`;
}

function groupSection({ group, circumstances, comparisons, text }: GroupResult): string {
  const { date, command, commit, machine, loadBefore, runtime } = circumstances;
  return [
    `## ${group}`,
    `Measured on ${date} by \`${command}\`, Lifeboat at commit ${commit}, ${runtime}; load before: ${loadBefore.toFixed(2)}.  \n${machine}.`,
    ...comparisons.map(comparisonSection),
    ...(text ? [`\`\`\`\n${text.trimEnd()}\n\`\`\``] : []),
  ].join('\n\n');
}

/**
 * The whole of RESULTS.md.
 *
 * @param kept what it said before; of a group that `results` has, that counts.
 * @param order of the groups.
 */
export function resultsMarkdown(
  { groups }: Results,
  kept: readonly KeptGroup[] = [],
  order: readonly string[] = [],
): string {
  const measured = groups.map((result) => ({
    group: result.group,
    section: groupSection(result),
    bars: result.comparisons.flatMap((comparison) => comparison.bars.map((bar) => barCells(comparison, bar))),
  }));
  const known = new Set(measured.map(({ group }) => group));
  const all: readonly KeptGroup[] = [...measured, ...kept.filter(({ group }) => !known.has(group))].sort(
    (a, b) => order.indexOf(a.group) - order.indexOf(b.group),
  );
  const bars = all.flatMap((group) => group.bars);
  return `${[
    '# Results',
    'Written by the bench itself; what the bars mean and how they are measured is in [README.md](README.md). Times are ' +
      'medians of all runs with the least and the most, memory is the most of all runs.',
    ...(bars.length > 0 ? [table(barHead, bars), `${countsText(bars)}.`] : []),
    ...all.map(({ section }) => section),
  ].join('\n\n')}\n`;
}
