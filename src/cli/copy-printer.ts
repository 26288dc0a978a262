import type { LifeboatError } from '../core/errors.ts';
import type { CopyEvents } from '../engine/copy/copy.ts';
import type { JournalCopyReport } from '../engine/copy/copy-journal.ts';
import type { CopyOutcome } from '../engine/copy/lanes.ts';
import type { PlannedJournal, PlannedSnapshots } from '../engine/copy/plan-copy.ts';
import { shortId } from '../model/id.ts';
import type { ProofCounts } from '../model/proof.ts';
import type { CommandContext } from './command.ts';
import { describeSnapshot } from './describe-snapshot.ts';
import { formatBytes, plural } from './format.ts';
import { type Counter, showCounter } from './progress.ts';

/** What a copy between repositories of the configuration tells. */
export interface CopyPrinter {
  route(from: string, to: readonly string[]): void;
  events(from: string): CopyEvents;
  copied(outcome: CopyOutcome, alreadyThere: number): void;
  journal(report: JournalCopyReport): void;
  planned(plan: PlannedSnapshots): void;
  plannedJournal(plan: PlannedJournal): void;
  absent(name: string, error: LifeboatError): void;
  waiting(names: readonly string[]): void;
  /** Ends the progress that is shown. */
  stop(): void;
  /** One line for each target. */
  finish(targets: readonly string[]): void;
}

interface Sum {
  copied: number;
  there: number;
  packs: number;
  packedBytes: number;
  pieces: number;
  logBytes: number;
}

export function createCopyPrinter(
  { output, env }: Pick<CommandContext, 'output' | 'env'>,
  { proof }: { proof(name: string): ProofCounts },
): CopyPrinter {
  let counter: Counter | undefined;
  const sums = new Map<string, Sum>();
  const sumOf = (name: string): Sum => {
    const sum = sums.get(name) ?? { copied: 0, there: 0, packs: 0, packedBytes: 0, pieces: 0, logBytes: 0 };
    sums.set(name, sum);
    return sum;
  };
  const message = (type: string, facts: Readonly<Record<string, unknown>>): void => {
    if (output.json) output.jsonLine({ message_type: type, ...facts });
  };
  const stop = (): void => {
    counter?.stop();
    counter = undefined;
  };

  function summaryLines(name: string, sum: Sum, proven: ProofCounts): string[] {
    const there = sum.there > 0 ? `, ${sum.there} ${sum.there === 1 ? 'was' : 'were'} there` : '';
    const packs = sum.packs > 0 ? `; ${plural(sum.packs, 'pack')}, ${formatBytes(sum.packedBytes)}` : '';
    const log = sum.pieces > 0 ? `; ${plural(sum.pieces, 'piece')} of log, ${formatBytes(sum.logBytes)}` : '';
    const lines = [
      `${output.style('bold', name)}: ${plural(sum.copied, 'snapshot')} copied${there}${packs}${log}`,
    ];
    if (proven.objects > 0)
      lines.push(
        `  it holds all ${plural(proven.objects, 'object')} as sent; ${proven.readBack} of them (${formatBytes(proven.readBackBytes)}) were read back`,
      );
    return lines;
  }

  return {
    route(from, to) {
      output.info(`${output.style('bold', from)} to ${to.join(', ')}`);
    },
    events: (from) => ({
      onSnapshot(snapshot, blobs, bytes, packs) {
        output.verbose(`${describeSnapshot(snapshot)}`);
        output.verbose(`  copy ${blobs} blobs with disk size ${formatBytes(bytes)} in ${packs} packfiles`);
      },
      onPacks(total) {
        counter = showCounter(output, env, 'packs copied', total);
      },
      onPack: () => counter?.add(1),
      onPacksEnd: stop,
      onSaved({ id }, copy, target) {
        message('copied', { from, to: target, source_snapshot_id: id, snapshot_id: copy });
        output.info(`  snapshot ${shortId(copy)} saved in ${target}, copied from ${shortId(id)}`);
      },
    }),
    copied({ name, copied, packs, packedBytes }, alreadyThere) {
      const sum = sumOf(name);
      sum.copied += copied.length;
      sum.there += alreadyThere;
      sum.packs += packs;
      sum.packedBytes += packedBytes;
    },
    journal({ source, outcomes }) {
      for (const { name, pieces, bytes, histories } of outcomes) {
        const sum = sumOf(name);
        sum.pieces += pieces;
        sum.logBytes += bytes;
        message('journal_copied', { source, to: name, pieces, bytes, histories });
        if (pieces > 0)
          output.info(`  log of ${source}: ${plural(pieces, 'piece')}, ${formatBytes(bytes)}, to ${name}`);
      }
    },
    planned({ target, copy, alreadyThere }) {
      message('planned', {
        to: target,
        snapshots: copy.map(({ id }) => id),
        skipped_snapshots: alreadyThere,
      });
      output.info(
        `  would copy ${plural(copy.length, 'snapshot')} to ${target}; ${alreadyThere} there already`,
      );
      for (const snapshot of copy) output.info(`    ${describeSnapshot(snapshot)}`);
    },
    plannedJournal({ target, source, pieces, bytes }) {
      message('planned_journal', { to: target, source, pieces, bytes });
      output.info(
        `  would copy ${plural(pieces, 'piece')} of log of ${source}, ${formatBytes(bytes)}, to ${target}`,
      );
    },
    absent(name, error) {
      message('absent', { repository: name, message: error.message });
      output.info(`${output.style('bold', name)} is left out: ${error.message}`);
    },
    waiting(names) {
      output.info(`waiting for ${names.join(', ')}`);
    },
    stop,
    finish(targets) {
      for (const name of targets) {
        const sum = sums.get(name);
        if (!sum) continue;
        const proven = proof(name);
        message('target_summary', {
          repository: name,
          copied_snapshots: sum.copied,
          skipped_snapshots: sum.there,
          packs: sum.packs,
          packed_bytes: sum.packedBytes,
          journal_pieces: sum.pieces,
          journal_bytes: sum.logBytes,
          proven_objects: proven.objects,
          proven_bytes: proven.bytes,
          read_back_objects: proven.readBack,
          read_back_bytes: proven.readBackBytes,
        });
        for (const line of summaryLines(name, sum, proven)) output.info(line);
      }
    },
  };
}
