import { LifeboatError } from '../core/errors.ts';
import type { Configuration } from '../model/configuration.ts';

/** From one repository to those that are to hold the same. */
export interface CopyRoute {
  readonly from: string;
  /** At least one; each once. */
  readonly to: readonly string[];
  /** Only what belongs to these sources; null: everything. */
  readonly sources: readonly string[] | null;
}

export interface CopyWish {
  /** Names of repositories; empty: as the configuration says. */
  readonly from: readonly string[];
  readonly to: readonly string[];
  /** Names of sources; empty: all. */
  readonly sources: readonly string[];
}

/**
 * What is to be copied from where to where. Repositories named on both sides get everything (or the sources named),
 * each of the second from each of the first. Where a side is left open, the `copies` of `protect` fill it in, with the
 * sources that stand there.
 *
 * Routes from one repository with the same sources are one route, so that it is read once for all its targets.
 * @param wish names that exist.
 * @throws LifeboatError `usage` where nothing is to be copied.
 */
export function copyRoutes({ protect, path }: Configuration, { from, to, sources }: CopyWish): CopyRoute[] {
  if (from.length > 0 && to.length > 0) {
    const routes = unique(from).map((each) => ({
      from: each,
      to: unique(to).filter((target) => target !== each),
      sources: sources.length > 0 ? unique(sources) : null,
    }));
    return someOf(routes, 'a repository is not copied to itself', 'name another one with --to');
  }
  /** Sources by the two repositories. */
  const wanted = new Map<string, Map<string, Set<string>>>();
  for (const { sources: kept, to: origins, copies } of protect) {
    const origin = origins[0];
    if (origin === undefined || (from.length > 0 && !from.includes(origin))) continue;
    for (const target of copies) {
      if (to.length > 0 && !to.includes(target)) continue;
      for (const source of kept) {
        if (sources.length > 0 && !sources.includes(source)) continue;
        const byTarget = wanted.get(origin) ?? new Map<string, Set<string>>();
        wanted.set(origin, byTarget);
        byTarget.set(target, (byTarget.get(target) ?? new Set<string>()).add(source));
      }
    }
  }
  const routes = [...wanted].flatMap(([origin, byTarget]) => routesFrom(origin, byTarget));
  const limited = from.length + to.length + sources.length > 0;
  return someOf(
    routes,
    limited
      ? `no entry of protect in ${path} has \`copies\` that fit these names`
      : `no entry of protect in ${path} has \`copies\``,
    limited
      ? 'name repositories on both sides, --from NAME --to NAME, or add them to `copies` of `protect`'
      : 'write `copies: [NAME]` beside `to`, or name repositories: --from NAME --to NAME',
  );
}

function routesFrom(from: string, byTarget: ReadonlyMap<string, ReadonlySet<string>>): CopyRoute[] {
  const routes: { from: string; to: string[]; sources: string[] }[] = [];
  for (const [target, sources] of byTarget) {
    const same = routes.find(
      (route) => route.sources.length === sources.size && route.sources.every((each) => sources.has(each)),
    );
    if (same) same.to.push(target);
    else routes.push({ from, to: [target], sources: [...sources] });
  }
  return routes;
}

function someOf(routes: readonly CopyRoute[], message: string, hint: string): CopyRoute[] {
  const some = routes.filter(({ to }) => to.length > 0);
  if (some.length === 0) throw new LifeboatError('usage', message, { hint });
  return some;
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
