import type { PathFilter } from '../../policy/filter.ts';
import { type RestoreSelection, selectAll } from './request.ts';

/**
 * What --include or --exclude and their kin select (restic cmd/restic/cmd_restore.go). Below an excluded
 * folder nothing is restored; a folder that is not included is looked into where a pattern may match below.
 */
export function createRestoreSelection(
  included: readonly PathFilter[],
  excluded: readonly PathFilter[],
): RestoreSelection {
  const includes = included.filter((filter) => !filter.isEmpty);
  const excludes = excluded.filter((filter) => !filter.isEmpty);
  if (excludes.length > 0) {
    return (location, isFolder) => {
      const selected = !excludes.some((filter) => filter.matches(location));
      return { selected, childMayBeSelected: selected && isFolder };
    };
  }
  if (includes.length === 0) return selectAll;
  return (location, isFolder) => {
    let selected = false;
    let childMayBeSelected = false;
    for (const filter of includes) {
      const match = filter.matchesWithChildren(location);
      selected ||= match.matched;
      childMayBeSelected ||= match.childMayMatch;
      if (selected && childMayBeSelected) break;
    }
    return { selected, childMayBeSelected: childMayBeSelected && isFolder };
  };
}
