import { readdirSync, readFileSync } from 'node:fs';

/** What Linux tells about a process: its resident bytes now, and the most they ever were. */
interface Resident {
  readonly nowBytes: number;
  readonly peakBytes: number;
}

function residentOf(pid: number): Resident | null {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    // The process has ended, or this system has no /proc: nothing to count.
    return null;
  }
  const kibibytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return { nowBytes: kibibytes('VmRSS') * 1024, peakBytes: kibibytes('VmHWM') * 1024 };
}

function childrenOf(pid: number): number[] {
  let threads: string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    // Ended since it was listed.
    return [];
  }
  return threads.flatMap((thread) => {
    try {
      const text = readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').trim();
      return text === '' ? [] : text.split(' ').map(Number);
    } catch {
      // A thread that has ended has no children any more.
      return [];
    }
  });
}

export interface TreeMemory {
  /** Looks at the process tree once. */
  sample(): void;
  /**
   * The most bytes seen at once, or null where the system does not say (no /proc). Resident sets are added
   * up over all processes of the tree. A process' own high-water mark counts as well, so that the peak of a
   * single process is exact whatever the interval.
   */
  peakBytes(): number | null;
}

export const sampleIntervalMs = 20;

export function watchTree(root: number): TreeMemory {
  let peak = 0;
  return {
    sample() {
      let together = 0;
      const waiting = [root];
      for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
        const resident = residentOf(pid);
        if (resident === null) continue;
        together += resident.nowBytes;
        peak = Math.max(peak, resident.peakBytes);
        waiting.push(...childrenOf(pid));
      }
      peak = Math.max(peak, together);
    },
    peakBytes: () => (peak === 0 ? null : peak),
  };
}
