import type { Traffic } from '../model/traffic.ts';
import { formatBytes } from './format.ts';
import type { Output } from './terminal.ts';

const byRun = new WeakMap<Output, Traffic[]>();

/** Where the traffic of a run is counted. */
export function trafficOf(output: Output): Traffic[] {
  const known = byRun.get(output) ?? [];
  byRun.set(output, known);
  return known;
}

/** With --verbose, what storages elsewhere were asked for: providers charge for requests and for what leaves them. */
export function showTraffic(output: Output): void {
  if (output.verbosity < 2) return;
  for (const { location, requests, bytesSaved, bytesLoaded } of trafficOf(output)) {
    if (requests.size === 0) continue;
    const byName = [...requests].sort(([, a], [, b]) => b - a);
    const total = byName.reduce((sum, [, count]) => sum + count, 0);
    // Beside the result, which is one JSON value for some commands.
    if (output.json)
      output.jsonError({
        message_type: 'storage_traffic',
        location,
        requests: Object.fromEntries(byName),
        bytes_saved: bytesSaved,
        bytes_loaded: bytesLoaded,
      });
    else {
      const named = byName.map(([name, count]) => `${name} ${count}`).join(', ');
      output.verbose(
        `${location}: ${total} requests (${named}); sent ${formatBytes(bytesSaved)}, received ${formatBytes(bytesLoaded)}`,
      );
    }
  }
}
