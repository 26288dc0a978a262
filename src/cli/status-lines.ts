import { truncateToWidth } from './text-width.ts';

/**
 * Lines at the bottom of a terminal that are drawn over and over. Between two calls the cursor rests at the
 * start of the first of them, so that a message can take their place.
 */
export interface StatusLines {
  /** Shows these lines instead of the ones before; none clears them. */
  show(lines: readonly string[]): void;
  /** Runs `print` with the lines gone, then shows them again. */
  interrupt(print: () => void): void;
}

const clearToEnd = '\x1b[J';

/** @param write sends text to the terminal @param columns asks for its width now */
export function createStatusLines(write: (text: string) => void, columns: () => number): StatusLines {
  let shown: readonly string[] = [];

  const draw = (lines: readonly string[]): void => {
    if (lines.length === 0) return;
    const width = Math.max(1, columns() - 1);
    const up = lines.length > 1 ? `\x1b[${lines.length - 1}A` : '';
    write(`${lines.map((line) => truncateToWidth(line, width)).join('\n')}\r${up}`);
  };

  return {
    show(lines) {
      if (lines.length === shown.length && lines.every((line, i) => line === shown[i])) return;
      if (shown.length > 0) write(clearToEnd);
      shown = [...lines];
      draw(shown);
    },
    interrupt(print) {
      if (shown.length > 0) write(clearToEnd);
      print();
      draw(shown);
    },
  };
}
