import type { ByteString } from '../../core/bytestring.ts';
import { type Lookahead, lookAhead } from '../../sources/files/lookahead.ts';
import { cleanPath } from '../../sources/files/targets.ts';
import type { Selection } from './archive.ts';

/** Begins to look at the targets of a backup, before its repository is open. Stop it when the backup ends. */
export function startLookahead(targets: readonly ByteString[], selection: Selection): Lookahead {
  return lookAhead(targets.map(cleanPath), selection.keepPath);
}
