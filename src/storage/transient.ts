/**
 * Whether the objects under a key come and go, or are replaced in place, as part of ordinary work: locks of the
 * repository and the last sign of life of a journal. Everything else is written once: only that is worth protecting.
 */
export function isTransient(key: string): boolean {
  return key.startsWith('locks/') || isHeartbeat(key);
}

/** Canaries of tamper tests: attacked like what is protected, but for a minute. */
export function isCanary(key: string): boolean {
  return key.startsWith('lifeboat/canary/');
}

/** The one object of a journal that is replaced (docs/journal-format.md "Heartbeat"). */
export function isHeartbeat(key: string): boolean {
  return /^lifeboat\/journal\/[^/]+\/[^/]+\/heartbeat$/.test(key);
}
