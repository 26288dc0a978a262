/** What RESULTS.md says of groups that are not measured now: their figures may have been measured on other machines. */
export interface KeptGroup {
  readonly group: string;
  /** With its heading, as it is in the file. */
  readonly section: string;
  /** Rows of the table of all bars, by their cells. */
  readonly bars: readonly (readonly string[])[];
}

const sectionStart = /^## /m;

/** The cells of a table's row; a bar that is escaped belongs to its cell. */
function cellsOf(line: string): string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
}

/** Names of the comparisons in a section, each of which begins its bars. */
function titlesIn(section: string): string[] {
  return [...section.matchAll(/^\*\*(.+?)\*\*/gm)].map(([, title]) => title!);
}

/** Reads what `resultsMarkdown` wrote; a bar belongs to the group that has its comparison. */
export function readKept(markdown: string): KeptGroup[] {
  const [head = '', ...rest] = markdown.split(sectionStart);
  const rows = head.split('\n').filter((line) => line.startsWith('| '));
  const bars = rows.slice(2).map(cellsOf);
  const groups = rest.map((text) => ({
    group: text.slice(0, text.indexOf('\n')).trim(),
    section: `## ${text.trimEnd()}`,
  }));
  const titles = groups.flatMap(({ group, section }) =>
    titlesIn(section).map((title) => ({ group, title: title.replaceAll('\\|', '|') })),
  );
  const groupOf = ([name = '']: readonly string[]): string | undefined => {
    const fitting = titles.filter(
      ({ title }) => name.startsWith(`${title}:`) || name.startsWith(`${title},`),
    );
    // A title may begin another.
    return fitting.sort((a, b) => b.title.length - a.title.length)[0]?.group;
  };
  const owners = bars.map(groupOf);
  return groups.map(({ group, section }) => ({
    group,
    section,
    bars: bars.filter((_, row) => owners[row] === group),
  }));
}
