import type { Timeline, WalRange } from './wal.ts';

/** What the receiver of a log and the hand-over of archived files tell while they work. */

/** Something that an operator has to look after; it stays until it is cleared. */
export type WalAlarm =
  /** The server has removed log that no repository holds. */
  | { readonly kind: 'gap'; readonly missing: WalRange }
  /** The slot holds back more of the server's log than is allowed. */
  | { readonly kind: 'slot-behind'; readonly bytes: number; readonly bytesMax: number }
  /** pg_replication_slots.wal_status: the server is about to remove log that is needed, or has done so. */
  | {
      readonly kind: 'slot-status';
      readonly status: 'extended' | 'unreserved' | 'lost';
      /** Log that can still be written before the slot is lost; null where there is no limit. */
      readonly safeBytes: number | null;
    }
  /** The server answers for another cluster than the one whose log is kept. */
  | { readonly kind: 'other-cluster'; readonly expected: string; readonly found: string }
  /** Commits wait for this receiver, which would be reported as a standby that never applies anything. */
  | { readonly kind: 'synchronous'; readonly applicationName: string };

export type WalEvent =
  | {
      readonly kind: 'connected';
      readonly server: string;
      readonly timeline: Timeline;
      readonly start: bigint;
    }
  | {
      readonly kind: 'connection-lost';
      readonly error: unknown;
      readonly attempts: number;
      readonly retryInMs: number;
    }
  | { readonly kind: 'slot-created'; readonly slot: string }
  | {
      readonly kind: 'timeline-followed';
      readonly from: Timeline;
      readonly to: Timeline;
      readonly at: bigint;
    }
  | { readonly kind: 'alarm'; readonly alarm: WalAlarm }
  | { readonly kind: 'alarm-cleared'; readonly alarm: WalAlarm['kind'] }
  | {
      readonly kind: 'compaction-failed';
      readonly place: string;
      readonly unit: string;
      readonly error: unknown;
    }
  /** Until when the log of a quiet server is whole could not be stored; the next one is tried all the same. */
  | { readonly kind: 'heartbeat-failed'; readonly place: string; readonly error: unknown }
  | {
      readonly kind: 'file-archived';
      readonly name: string;
      /** `known`: everything of it was there already. */
      readonly status: 'stored' | 'known' | 'ignored';
      readonly tookMs: number;
    }
  | { readonly kind: 'file-refused'; readonly name: string; readonly error: unknown };

export type WalSink = (event: WalEvent) => void;
