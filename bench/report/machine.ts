import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';

/** Where and when something was measured. */
export interface Circumstances {
  readonly date: string;
  readonly command: string;
  /** Commit of Lifeboat. */
  readonly commit: string;
  readonly machine: string;
  /** Average number of waiting processes in the minute before; well above 0 means company on the machine. */
  readonly loadBefore: number;
  readonly runtime: string;
}

function distribution(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? platform();
  } catch {
    // Not every system says its name there.
    return platform();
  }
}

export function circumstances(command: string, commit: string): Circumstances {
  const model = cpus()[0]?.model.trim() || arch();
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  return {
    date: new Date().toISOString().slice(0, 10),
    command,
    commit,
    machine: `${availableParallelism()} cores of ${model}, ${gibibytes} GiB of memory, ${distribution()}, kernel ${release()}`,
    loadBefore: loadavg()[0] ?? 0,
    runtime: `Node ${process.version}`,
  };
}
