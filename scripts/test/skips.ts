/** Which reasons a test may give for not running: the list under "Allowed skips" in test/README.md. */
import { readFileSync } from 'node:fs';

/** The reasons: each is the first code span of a bullet in that section. */
export function allowedSkips(readme: string = readFileSync('test/README.md', 'utf8')): string[] {
  const section = readme.split(/^## /m).find((part) => part.startsWith('Allowed skips')) ?? '';
  return [...section.matchAll(/^- `([^`]+)`/gm)].map((match) => match[1] as string);
}

export interface SkippedTest {
  readonly name: string;
  /** What the test gave as its reason; empty where it gave none. */
  readonly reason: string;
}

/** Those skipped tests whose reason does not start with an allowed one. */
export function unexplained(skipped: readonly SkippedTest[], allowed: readonly string[]): SkippedTest[] {
  return skipped.filter(({ reason }) => !allowed.some((known) => reason.startsWith(known)));
}
