import type { Id } from '../../model/id.ts';
import type { CheckEvents, CheckNote, CheckProblem } from './report.ts';

/** Collects what the stages of a check find, and passes it on as it is found. */
export interface Findings {
  problem(kind: CheckProblem['kind'], id: Id, message: string): void;
  note(kind: CheckNote['kind'], id: Id, message: string): void;
  /** A problem with a pack that `repair packs` can do something about. */
  damagedPack(id: Id, message: string): void;
  errors(): number;
  readonly damagedPacks: ReadonlySet<Id>;
}

export function createFindings(events: CheckEvents): Findings {
  const damagedPacks = new Set<Id>();
  let errors = 0;

  function problem(kind: CheckProblem['kind'], id: Id, message: string): void {
    errors++;
    events.problem({ kind, id, message });
  }

  return {
    problem,
    note: (kind, id, message) => events.note?.({ kind, id, message }),
    damagedPack(id, message) {
      damagedPacks.add(id);
      problem('pack', id, message);
    },
    errors: () => errors,
    damagedPacks,
  };
}
