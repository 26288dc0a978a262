import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localStorage } from '../../src/storage/local/local.ts';
import { type JsonObject, json, linesOf, type Program, run, succeed } from '../programs.ts';
import { createCheapRepository } from '../repositories/cheap.ts';

/**
 * The members of JSON values, each as its path and type: `summary.files_new: number`, `paths[]: string`.
 * Objects in a list count together, as a program may leave out a member that is empty in one of them.
 */
function shapeOf(values: readonly unknown[]): string[] {
  const found = new Set<string>();

  function visit(value: unknown, path: string): void {
    if (Array.isArray(value)) for (const item of value) visit(item, `${path}[]`);
    else if (typeof value === 'object' && value !== null)
      for (const [key, member] of Object.entries(value)) visit(member, path === '' ? key : `${path}.${key}`);
    else found.add(`${path}: ${value === null ? 'null' : typeof value}`);
  }

  for (const value of values) visit(value, '');
  return [...found].sort();
}

/** Shapes by the type of message; what has no type is a `document`. */
export type Shapes = Readonly<Record<string, readonly string[]>>;

export interface JsonOutput {
  readonly status: number;
  readonly stdout: Shapes;
  readonly stderr: Shapes;
}

/** Lines for people that stand between, as restic's do, are passed over. How many messages of progress there are is chance. */
function shapesOf(text: string): Shapes {
  const values = linesOf(text)
    .filter((line) => /^[[{]./.test(line))
    .map((line) => JSON.parse(line) as unknown);
  if (values.length === 0 && text !== '' && /^[[{]/.test(text)) values.push(JSON.parse(text));
  const typeOf = (value: unknown): string => {
    const { message_type, struct_type } = value as JsonObject;
    return String(message_type ?? struct_type ?? 'document');
  };
  const types = [...Map.groupBy(values, typeOf)].filter(([type]) => type !== 'status');
  return Object.fromEntries(types.sort().map(([type, alike]) => [type, shapeOf(alike)]));
}

/** The command lines; `FIRST` and `SECOND` stand for snapshots, `TREE` for the root of the first. */
const commandLines: readonly string[] = [
  'backup files --quiet --tag x --exclude none',
  'snapshots',
  'snapshots --group-by host,paths,tags',
  'ls SECOND',
  'find a',
  'find --tree TREE',
  'diff FIRST SECOND',
  'stats',
  'stats --mode raw-data',
  'stats --mode files-by-contents',
  'stats --mode blobs-per-file',
  'key list',
  'cat config',
  'cat snapshot FIRST',
  'cat masterkey',
  'check',
  'forget --keep-last 1 --group-by host --dry-run',
  'prune --dry-run',
  'backup files --quiet --dry-run',
  'backup files -vv',
  'backup files none --quiet',
  'backup none',
  'backup files --quiet --skip-if-unchanged',
  'restore SECOND --target restored -vv',
  'restore SECOND --target restored --quiet',
  'restore SECOND --target elsewhere --dry-run -vv',
  'tag --add z --quiet',
  'snapshots none',
  'ls none',
  'dump latest /none',
];

/** The others need not wait for a lock to settle, which takes most of their time. */
const changing = ['backup', 'tag'];

/** What a program prints with --json for each of these commands, on a repository of its own. */
export async function jsonOutputs(program: Program): Promise<Readonly<Record<string, JsonOutput>>> {
  const scratch = mkdtempSync(join(tmpdir(), 'json-'));
  try {
    const at = { repository: join(scratch, 'repository'), cwd: scratch };
    await createCheapRepository(localStorage(at.repository));
    mkdirSync(join(scratch, 'files/folder'), { recursive: true });
    writeFileSync(join(scratch, 'files/a'), 'a');
    writeFileSync(join(scratch, 'files/folder/b'), 'b');
    await succeed(program, ['backup', 'files', '--tag', 'x'], at);
    appendFileSync(join(scratch, 'files/a'), 'changed');
    await succeed(program, ['backup', 'files', '--tag', 'x,y'], at);
    const [first, second] = await json<{ id: string; tree: string }[]>(program, ['snapshots'], at);
    const places: Readonly<Record<string, string | undefined>> = {
      FIRST: first?.id,
      SECOND: second?.id,
      TREE: first?.tree,
    };
    const outputs: Record<string, JsonOutput> = {};
    for (const line of commandLines) {
      const words = line.split(' ').map((word) => places[word] ?? word);
      const lock = changing.includes(words[0] ?? '') ? [] : ['--no-lock'];
      const { status, stdout, stderr } = await run(program, ['--json', ...lock, ...words], at);
      outputs[line] = { status, stdout: shapesOf(stdout), stderr: shapesOf(stderr) };
    }
    return outputs;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
