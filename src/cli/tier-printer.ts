import { type AmountInClass, type MovePlan, markChanges } from '../engine/cold/move-plan.ts';
import { pricesOf } from '../engine/cold/prices.ts';
import type { Tier } from '../model/configuration.ts';
import { formatTierSpan, type TierDecision } from '../policy/tiers.ts';
import { formatBytes, formatLocalTime, plural } from './format.ts';
import { formatTable } from './table.ts';
import type { Output } from './terminal.ts';

/** What `tier plan` and `tier apply` show. */

/** `$0.43`, `less than $0.01`. */
export function formatDollars(dollars: number): string {
  if (dollars === 0) return '$0';
  return dollars < 0.01 ? 'less than $0.01' : `$${dollars.toFixed(2)}`;
}

const monthly = ({ monthly: dollars }: AmountInClass): string =>
  dollars === null ? '?' : formatDollars(dollars);

const totalOf = (amounts: readonly AmountInClass[]): number =>
  amounts.reduce((sum, { monthly: dollars }) => sum + (dollars ?? 0), 0);

function printTiers(output: Output, tiers: readonly Tier[], decisions: readonly TierDecision[]): void {
  const inTier = (tier: number | null): number => decisions.filter((each) => each.tier === tier).length;
  const rows = tiers.map(({ keep, for: span, class: name }, n) => [
    keep,
    formatTierSpan(span),
    name,
    String(inTier(n)),
  ]);
  const unplaced = inTier(null);
  if (unplaced > 0) rows.push(['none', '', '', `${unplaced}, which \`forget\` removes`]);
  for (const line of formatTable(['Keep', 'For', 'Class', 'Snapshots'], rows)) output.info(line);
  for (const { snapshot, class: name, reason } of decisions)
    output.verbose(
      `${snapshot.id.slice(0, 8)}  ${formatLocalTime(snapshot.time)}  ${(name ?? '').padEnd(12)}  ${reason}`,
    );
}

function printClasses(output: Output, { before, after }: MovePlan): void {
  const names = [...new Set([...before, ...after].map(({ storageClass }) => storageClass))];
  const cells = (amounts: readonly AmountInClass[], name: string): string[] => {
    const found = amounts.find(({ storageClass }) => storageClass === name);
    return found ? [String(found.packs), formatBytes(found.bytes), monthly(found)] : ['', '', ''];
  };
  const rows = names.map((name) => [name, ...cells(before, name), ...cells(after, name)]);
  const headings = ['Class', 'Packs now', 'Size', 'A month', 'Packs then', 'Size', 'A month'];
  output.info();
  for (const line of formatTable(headings, rows)) output.info(line);
}

export function printMovePlan(
  output: Output,
  tiers: readonly Tier[],
  { decisions, plan }: { readonly decisions: readonly TierDecision[]; readonly plan: MovePlan },
): void {
  const { moves, retract, tooCold, stay } = plan;
  printTiers(output, tiers, decisions);
  printClasses(output, plan);
  output.info();
  const bytes = moves.reduce((sum, move) => sum + move.bytes, 0);
  const waiting = moves.filter(({ marked }) => marked).length;
  const young = moves.filter(({ waitsDays }) => waitsDays > 0);
  const fresh = moves.length - waiting;
  if (moves.length === 0) output.info('no pack has to move');
  else {
    output.info(
      `${plural(moves.length, 'pack')} (${formatBytes(bytes)}) may move to a colder class: ${fresh} to be marked, ${waiting} marked before and not moved yet`,
    );
  }
  if (young.length > 0) {
    const days = Math.max(...young.map(({ waitsDays }) => waitsDays));
    output.info(
      `${plural(young.length, 'pack')} of them are too young for their class, for up to ${plural(days, 'day')}`,
    );
  }
  if (retract.length > 0)
    output.info(`${plural(retract.length, 'pack')} are needed again before they have moved: their marks go`);
  if (stay.small > 0) output.info(`${plural(stay.small, 'pack')} stay: too small to be cheaper elsewhere`);
  if (stay.unused + stay.unplaced > 0) {
    output.info(
      `${plural(stay.unused + stay.unplaced, 'pack')} stay: nothing that a tier keeps needs them; \`forget\` and \`prune\` delete them`,
    );
  }
  if (tooCold.length > 0) {
    output.warn(
      `warning: ${plural(tooCold.length, 'pack')} are colder than the newest snapshots that need them, as content came back that was there before; no rule warms them. \`restore --thaw\` reads them`,
    );
  }
  output.info(
    `estimate: ${formatDollars(totalOf(plan.before))} a month now, ${formatDollars(totalOf(plan.after))} then; ${formatDollars(plan.movingCost)} once for moving (${pricesOf})`,
  );
}

export function movePlanJson({
  decisions,
  plan,
}: {
  readonly decisions: readonly TierDecision[];
  readonly plan: MovePlan;
}): Record<string, unknown> {
  return {
    message_type: 'plan',
    snapshots: decisions.map(({ snapshot, class: name, tier, reason }) => ({
      id: snapshot.id,
      tier,
      class: name,
      reason,
    })),
    moves: plan.moves,
    retract: plan.retract,
    too_cold: plan.tooCold.map(({ id, storageClass, need }) => ({ id, class: storageClass, need })),
    stay: plan.stay,
    before: plan.before,
    after: plan.after,
    changes: markChanges(plan).length,
    moving_cost: plan.movingCost,
    prices: pricesOf,
  };
}
