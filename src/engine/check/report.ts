import type { Id } from '../../model/id.ts';

export type CheckStage = 'keys' | 'snapshots' | 'index' | 'packs' | 'trees' | 'data';

/** Something that is wrong; each counts as one error. */
export interface CheckProblem {
  readonly kind: 'key' | 'snapshot' | 'index' | 'pack' | 'tree';
  /** The file or tree that it is about. */
  readonly id: Id;
  readonly message: string;
}

/** Something worth knowing that endangers nothing. */
export interface CheckNote {
  readonly kind: 'duplicate-pack' | 'mixed-pack' | 'orphaned-pack' | 'archived-pack';
  readonly id: Id;
  readonly message: string;
}

export interface CheckProgress {
  readonly packsDone: number;
  readonly packsTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface CheckEvents {
  stage?(stage: CheckStage): void;
  problem(problem: CheckProblem): void;
  note?(note: CheckNote): void;
  /** A stage that takes long begins; `sample` says how far it is whenever it is asked. */
  watch?(sample: () => CheckProgress): void;
}

/** Blobs that no snapshot refers to. */
export interface UnusedBlobs {
  readonly blobs: number;
  readonly bytes: number;
}

export interface CheckReport {
  readonly errors: number;
  /** Packs that are missing, of a wrong size, or damaged inside: `repair packs`. */
  readonly damagedPacks: readonly Id[];
  /** Snapshot files that cannot be read. */
  readonly damagedSnapshots: readonly Id[];
  /** Snapshots of which a part is lost: `repair snapshots`. */
  readonly affectedSnapshots: readonly Id[];
  readonly damagedKeys: readonly Id[];
  /** The check ended early: without its index nothing more can be said. */
  readonly indexDamaged: boolean;
  readonly suggestRepairIndex: boolean;
  readonly suggestPrune: boolean;
  readonly orphanedPacks: number;
  /** What was looked at. */
  readonly snapshots: number;
  readonly packs: number;
  readonly trees: number;
  /** Packs and bytes that were read as a whole. */
  readonly packsRead: number;
  readonly bytesRead: number;
  /** Only where it was asked for. */
  readonly unused: UnusedBlobs | null;
}
