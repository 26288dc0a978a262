/** What was asked of a server: how often what. */
export type Requests = Readonly<Record<string, number>>;

export const totalOf = (requests: Requests): number =>
  Object.values(requests).reduce((sum, count) => sum + count, 0);

/** As ListObjects has it, in both versions. */
const listing = /[?&](?:list-type=2|delimiter=|prefix=|uploads)(?:[&=]|$)/;

/** How people call a request of S3: by its method, listings apart. */
function kindOf(method: string, url: string): string {
  return method === 'GET' && listing.test(url) ? 'LIST' : method;
}

/** Counts the requests in a log of Ceph's gateway, which has a line for each that it answered. */
export function countRequests(log: string): Requests {
  const counts: Record<string, number> = {};
  for (const [, method, url] of log.matchAll(/ beast: .*? "([A-Z]+) (\S+) HTTP\/[\d.]+" /g)) {
    const kind = kindOf(method!, url!);
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}
