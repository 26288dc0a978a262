import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, type Pair, parseDocument } from 'yaml';
import type * as z from 'zod';
import { messageOf } from '../../core/errors.ts';
import type { Configuration } from '../../model/configuration.ts';
import { type Finding, formatKeyPath, type KeyPath, type Problem } from './problems.ts';
import { type FileShape, fileSchema } from './schema.ts';
import { understand } from './understand.ts';

/** From the text of a configuration file to a Configuration, or to all that is wrong with it. */

export interface Parsed {
  /** null where there are problems. */
  readonly configuration: Configuration | null;
  readonly problems: readonly Problem[];
  /** What is allowed but hardly meant. */
  readonly warnings: readonly Problem[];
}

export interface ParseSurroundings {
  /** Absolute path of the file; relative paths in it begin at its folder. */
  readonly path: string;
  /** For paths that begin with ~/. */
  readonly home: string;
}

export function parseConfiguration(text: string, surroundings: ParseSurroundings): Parsed {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const failed = (problems: readonly Problem[]): Parsed => ({ configuration: null, problems, warnings: [] });
  if (document.errors.length > 0) {
    return failed(
      document.errors.map(({ pos, message }) => {
        const { line, col } = lines.linePos(pos[0]);
        return { line, column: col, path: '', message: `this is not YAML: ${message}` };
      }),
    );
  }
  const locate = (path: KeyPath, at: 'key' | 'value' = 'value'): Problem => ({
    ...placeOf(document, lines, path, at),
    path: formatKeyPath(path),
    message: '',
  });
  const problemOf = ({ path, at, message }: Finding): Problem => ({ ...locate(path, at), message });

  let raw: unknown;
  try {
    raw = document.toJS();
  } catch (error) {
    // An alias without its anchor, or too many of them.
    return failed([problemOf({ path: [], message: `this is not YAML: ${messageOf(error)}` })]);
  }
  const version = versionFinding(raw);
  if (version) return failed([problemOf(version)]);
  const parsed = fileSchema.safeParse(raw);
  if (!parsed.success) return failed(shapeFindings(parsed.error, raw).map(problemOf).sort(byPlace));
  const { configuration, problems, warnings } = understand(parsed.data satisfies FileShape, surroundings);
  if (problems.length > 0) return failed(problems.map(problemOf).sort(byPlace));
  return { configuration, problems: [], warnings: warnings.map(problemOf).sort(byPlace) };
}

const byPlace = (a: Problem, b: Problem): number => a.line - b.line || a.column - b.column;

/** The version decides how everything else is read, so it is looked at first. A migrator's place is here. */
function versionFinding(raw: unknown): Finding | null {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    return { path: [], message: 'expected a mapping that begins with `version: 1`' };
  }
  const { version } = raw as { version?: unknown };
  if (version === 1) return null;
  if (version === undefined) return { path: [], message: 'the version is missing: begin with `version: 1`' };
  const shown = typeof version === 'number' ? String(version) : JSON.stringify(version);
  const newer = typeof version === 'number' && version > 1;
  return {
    path: ['version'],
    message: `version ${shown} is not supported: this version of Lifeboat reads version 1${newer ? '; update Lifeboat' : ''}`,
  };
}

/** What the schema objects to: one finding for each key or value. */
function shapeFindings(error: z.ZodError, raw: unknown): Finding[] {
  // What is missing beside an unknown key is most likely that very key, misspelt.
  const misspelt = new Set(
    error.issues.flatMap(({ code, path }) => (code === 'unrecognized_keys' ? [path.join('\n')] : [])),
  );
  return error.issues.flatMap((issue): Finding[] => {
    const path = issue.path as (string | number)[];
    if (issue.code === 'unrecognized_keys') {
      const messages = issue.message.split('\n');
      return issue.keys.map((key, n) => ({ path: [...path, key], at: 'key', message: messages[n]! }));
    }
    if (issue.code === 'invalid_key') {
      return [{ path, at: 'key', message: issue.issues[0]?.message ?? issue.message }];
    }
    const missing = valueAt(raw, path) === undefined;
    if (missing && misspelt.has(path.slice(0, -1).join('\n'))) return [];
    return [{ path, message: missing ? `missing: ${issue.message}` : issue.message }];
  });
}

function valueAt(raw: unknown, path: KeyPath): unknown {
  let value = raw;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

/** Where a key or value stands; where it is not in the file, what holds it. */
function placeOf(
  document: Document,
  lines: LineCounter,
  path: KeyPath,
  at: 'key' | 'value',
): { line: number; column: number } {
  let node: unknown = document.contents;
  let offset = offsetOf(node) ?? 0;
  for (const [depth, part] of path.entries()) {
    const last = depth === path.length - 1;
    if (isMap(node)) {
      const pair: Pair | undefined = node.items.find(
        ({ key }) => isScalar(key) && String(key.value) === part,
      );
      if (!pair) break;
      const keyOffset = offsetOf(pair.key);
      // A mapping that lacks something is best found by its own key.
      offset =
        (last && at === 'value' && isScalar(pair.value) && offsetOf(pair.value)) || keyOffset || offset;
      node = pair.value;
    } else if (isSeq(node) && typeof part === 'number') {
      node = node.items[part];
      offset = offsetOf(node) ?? offset;
    } else break;
  }
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

function offsetOf(node: unknown): number | null {
  return isNode(node) ? (node.range?.[0] ?? null) : null;
}
