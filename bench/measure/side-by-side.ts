import { spawnSync } from 'node:child_process';
import { NotMeasured, type Settings } from '../settings.ts';
import { type Command, type Measurement, measure } from './process.ts';
import { type Requests, totalOf } from './requests.ts';
import { type Sample, sampleOf } from './statistics.ts';

/** One of the programs that take turns at the same work. */
export interface Contender {
  readonly name: string;
  /** Before each run, not timed: a fresh repository, an empty target. */
  readonly prepare?: () => Promise<void> | void;
  readonly command: () => Command;
  /** What counts of a run, in seconds, where that is not all of it. @throws NotMeasured. */
  readonly counted?: (run: Measurement) => number;
  /** What a server was asked since this was called last: before each run, and right after it. */
  readonly requests?: () => Promise<Requests>;
  /** After the last run, not timed: proves that the work was done. @throws NotMeasured when it was not. */
  readonly verify?: () => Promise<void> | void;
  /** After each run, not timed: clears away. Returns the bytes that were stored, where these are of interest. */
  readonly finish?: () => Promise<number | null> | number | null;
}

export interface Outcome {
  readonly seconds: Sample;
  /** Null where the system does not tell. */
  readonly peakBytes: Sample | null;
  readonly storedBytes: Sample | null;
  /** Where a server tells of them. */
  readonly requests?: Sample;
  /** Of the last run. */
  readonly requestKinds?: Requests;
}

/** Each contender's outcome, or why it has none. */
export type Outcomes = ReadonlyMap<string, Outcome | NotMeasured>;

interface Collected {
  readonly runs: Measurement[];
  readonly stored: number[];
  readonly requests: Requests[];
}

/** Writes what the last run left dirty, so that it does not slow down the next. */
function settleStorage(): void {
  spawnSync('sync');
}

const round = (seconds: number): string => `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;

/**
 * Runs the contenders in turns, each `settings.runs` times. One that fails drops out with its reason; the
 * others go on.
 */
export async function sideBySide(
  settings: Settings,
  title: string,
  contenders: readonly Contender[],
): Promise<Outcomes> {
  const collected = new Map<string, Collected>();
  const failed = new Map<string, NotMeasured>();
  const attempt = async (name: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof NotMeasured)) throw error;
      failed.set(name, error);
      settings.say(`${title}: ${name}: ${error.message}`);
    }
  };
  for (const { name } of contenders) collected.set(name, { runs: [], stored: [], requests: [] });
  for (let run = 1; run <= settings.runs; run++) {
    const taken: string[] = [];
    for (const contender of contenders) {
      const { name } = contender;
      if (failed.has(name)) continue;
      await attempt(name, async () => {
        await contender.prepare?.();
        settleStorage();
        await contender.requests?.();
        const result = await measure(contender.command());
        const seconds = contender.counted?.(result) ?? result.seconds;
        taken.push(`${name} ${round(seconds)}`);
        const asked = await contender.requests?.();
        if (run === settings.runs) await contender.verify?.();
        const stored = (await contender.finish?.()) ?? null;
        const { runs, stored: all, requests } = collected.get(name)!;
        runs.push({ ...result, seconds });
        if (stored !== null) all.push(stored);
        if (asked) requests.push(asked);
      });
    }
    if (taken.length > 0) settings.say(`${title}: run ${run} of ${settings.runs}: ${taken.join(', ')}`);
  }
  return new Map(contenders.map(({ name }) => [name, failed.get(name) ?? outcomeOf(collected.get(name)!)]));
}

function outcomeOf({ runs, stored, requests }: Collected): Outcome {
  const peaks = runs.map(({ peakBytes }) => peakBytes).filter((bytes) => bytes !== null);
  return {
    seconds: sampleOf(runs.map(({ seconds }) => seconds)),
    peakBytes: peaks.length === runs.length ? sampleOf(peaks) : null,
    storedBytes: stored.length === runs.length ? sampleOf(stored) : null,
    ...(requests.length === runs.length && {
      requests: sampleOf(requests.map(totalOf)),
      requestKinds: requests.at(-1)!,
    }),
  };
}
