/** Runs test files on node:test and prints its summary as the very last lines. */
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { allowedSkips, type SkippedTest, unexplained } from './skips.ts';

interface TestRun {
  readonly files: readonly string[];
  /** How many files run at once. */
  readonly concurrency: number;
  /** A file that takes longer fails. */
  readonly timeoutMs: number;
  /** What the reader should know at the end, though it fails nothing. */
  readonly notes: readonly string[];
  /** Steps before the tests that failed; they make the run red and are named again at its end. */
  readonly failuresBefore: readonly string[];
}

const summaryLine = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) \d/;

interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly skip?: unknown;
    readonly nesting?: number;
    readonly message?: string;
  };
}

/**
 * Runs the files and prints what happens.
 * @returns whether everything passed, with no skip that test/README.md does not list when CI is set.
 */
export async function runTests({
  files,
  concurrency,
  timeoutMs,
  notes,
  failuresBefore,
}: TestRun): Promise<boolean> {
  if (files.length === 0) {
    console.error('No test file matches.');
    return false;
  }
  const skipped: SkippedTest[] = [];
  const summary = new Map<string, string>();
  let failed = failuresBefore.length > 0;

  /** Takes the summary out of the stream, so that it can stand after the list of failures. */
  async function* observed(events: AsyncIterable<TestEvent>): AsyncGenerator<TestEvent> {
    for await (const event of events) {
      const { type, data } = event;
      if (type === 'test:fail') failed = true;
      if ((type === 'test:pass' || type === 'test:fail') && data.skip !== undefined && data.skip !== false) {
        skipped.push({ name: data.name ?? '', reason: typeof data.skip === 'string' ? data.skip : '' });
      }
      const message = type === 'test:diagnostic' && data.nesting === 0 ? (data.message ?? '') : '';
      if (summaryLine.test(message)) summary.set(message.split(' ')[0] as string, message);
      else yield event;
    }
  }

  const events = run({ files: [...files], concurrency, timeout: timeoutMs });
  const printed = events.compose(observed).compose(new spec());
  for await (const text of printed) process.stdout.write(text);

  const surprising = unexplained(skipped, allowedSkips());
  for (const { name, reason } of surprising) {
    console.log(`skipped without a reason that test/README.md lists: ${name}${reason ? ` (${reason})` : ''}`);
  }
  if (process.env.CI === 'true' && surprising.length > 0) failed = true;
  for (const note of notes) console.log(note);
  for (const step of failuresBefore) console.log(`failed before the tests: ${step}`);
  for (const line of summary.values()) console.log(`ℹ ${line}`);
  return !failed;
}
