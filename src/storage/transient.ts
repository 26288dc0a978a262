/**
 * Whether the objects under a key come and go, or are replaced in place, as part of ordinary work: locks of the
 * repository, the last sign of life of a journal, and the canaries of tamper tests, which bring their own protection.
 * Everything else is written once; only that is worth protecting, and an append-only storage holds nothing else fast.
 */
export function isTransient(key: string): boolean {
  return key.startsWith('locks/') || isHeartbeat(key) || key.startsWith('lifeboat/canary/');
}

/** The one object of a journal that is replaced (docs/journal-format.md "Heartbeat"). */
export function isHeartbeat(key: string): boolean {
  return /^lifeboat\/journal\/[^/]+\/[^/]+\/heartbeat$/.test(key);
}
