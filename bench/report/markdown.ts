import type { Comparison } from './comparison.ts';
import { barCells, barHead, rowTable } from './format.ts';
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

/** The whole of RESULTS.md. */
export function resultsMarkdown({ groups }: Results): string {
  const comparisons = groups.flatMap((group) => group.comparisons);
  const bars = comparisons.flatMap((comparison) => comparison.bars.map((bar) => barCells(comparison, bar)));
  return `${[
    '# Results',
    'Written by the bench itself; what the bars mean and how they are measured is in [README.md](README.md). Times are ' +
      'medians of all runs with the least and the most, memory is the most of all runs.',
    ...(bars.length > 0 ? [table(barHead, bars), `${countsText(comparisons)}.`] : []),
    ...groups.map(groupSection),
  ].join('\n\n')}\n`;
}
