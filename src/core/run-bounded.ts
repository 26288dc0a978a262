/**
 * Keeps up to `limit` tasks running. `next` starts one and returns it, or null where there is none now; it is
 * asked again whenever a task has ended, since that may have brought new ones. After the first failure no task
 * is started, and it is thrown once those running have ended.
 */
export async function runBounded(
  limit: number,
  next: () => Promise<void> | null,
  signal?: AbortSignal,
): Promise<void> {
  const running = new Set<Promise<void>>();
  let failed = false;
  let failure: unknown;
  const fail = (error: unknown): void => {
    if (!failed) failure = error;
    failed = true;
  };
  for (;;) {
    if (signal?.aborted) fail(signal.reason);
    const task = failed || running.size >= limit ? null : next();
    if (task) {
      const tracked: Promise<void> = task.catch(fail).finally(() => running.delete(tracked));
      running.add(tracked);
    } else if (running.size > 0) await Promise.race(running);
    else break;
  }
  if (failed) throw failure;
}
