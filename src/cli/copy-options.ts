import { duration } from '../app/storage-option-values.ts';
import type { ProofMode } from '../model/proof.ts';
import type { CommandContext } from './command.ts';
import { fromOptions } from './from-repository.ts';
import { flag, type OptionTable, texts, value, valueOr } from './options.ts';
import { snapshotFilterOptions } from './snapshot-options.ts';

function proofMode(given: string): ProofMode {
  if (given !== 'list' && given !== 'read') throw new Error('expected list or read');
  return given;
}

export const copyOptions = {
  from: texts({
    placeholder: 'NAME',
    help: 'repository of the configuration to copy from (repeatable)',
  }),
  to: texts({ placeholder: 'NAME', help: 'repository of the configuration to fill (repeatable)' }),
  source: texts({
    placeholder: 'SOURCE',
    help: 'only snapshots and log of this source of the configuration (repeatable)',
  }),
  'when-mounted': flag({ help: 'a removable repository that is not mounted is left out, and no failure' }),
  wait: value<number>({
    placeholder: 'DURATION',
    help: 'with --when-mounted: wait so long for those not mounted yet',
    parse: duration,
  }),
  'dry-run': flag({ short: 'n', help: 'show what would be copied, and copy nothing' }),
  verify: valueOr<ProofMode>({
    placeholder: 'list|read',
    help: 'how the target proves what it holds, see above (default: list)',
    fallback: 'list',
    parse: proofMode,
  }),
  ...fromOptions,
  ...snapshotFilterOptions,
} satisfies OptionTable;

export type CopyContext = CommandContext<typeof copyOptions>;
