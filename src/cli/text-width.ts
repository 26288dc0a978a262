/** Characters that a terminal draws two cells wide. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const zeroWidth = /[\p{Mn}\p{Me}\u200b-\u200f\ufeff]/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with a control character.
const escapeSequences = /\x1b\[[0-9;]*[A-Za-z]/g;
const plainAscii = /^[\x20-\x7e]*$/;

function cells(character: string): number {
  if (zeroWidth.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}

/** The number of terminal cells a text takes; colours take none. */
export function displayWidth(text: string): number {
  if (plainAscii.test(text)) return text.length;
  let width = 0;
  for (const character of text.replace(escapeSequences, '')) width += cells(character);
  return width;
}

/** The longest beginning of a text that fits into so many cells. */
export function truncateToWidth(text: string, width: number): string {
  if (plainAscii.test(text)) return text.slice(0, Math.max(0, width));
  let used = 0;
  let kept = '';
  for (const character of text) {
    used += cells(character);
    if (used > width) break;
    kept += character;
  }
  return kept;
}

/** A text with spaces added up to so many cells. */
export function padToWidth(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)));
}

/** Lines of at most `width` cells, broken at spaces; a longer word stays whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && displayWidth(line) + 1 + displayWidth(word) > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines;
}

const unprintable = /[\p{C}\u2028\u2029\ufffd]/u;

/** A name as a terminal can show it: quoted when it holds control characters or what is no text. */
export function printable(name: string): string {
  if (!unprintable.test(name)) return name;
  const escaped = name.replace(/[\p{C}\u2028\u2029"\\]/gu, (character) => {
    const short = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character];
    if (short !== undefined) return short;
    const code = character.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
  return `"${escaped}"`;
}
