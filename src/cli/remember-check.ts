import { noteKnown } from '../app/known-repositories.ts';
import { messageOf } from '../core/errors.ts';
import type { CheckReport } from '../engine/check/report.ts';
import type { DataSubset } from '../engine/check/subset.ts';
import type { KnownVerification } from '../model/known-repository.ts';
import type { Repository } from '../repository/repository.ts';
import type { CommandContext } from './command.ts';
import { locateRepository } from './configured.ts';

/** What of the data was read. A check of some snapshots only is one of a part, at most. */
function extentOf(readData: DataSubset | null, limited: boolean): KnownVerification['extent'] {
  if (readData === null) return 'structure';
  return readData.kind === 'all' && !limited ? 'all' : 'part';
}

/**
 * Notes how the check of a repository of the configuration ended, for `lifeboat status`. A check of some snapshots
 * that finds nothing says nothing of the others, so it is not noted; one that finds errors is.
 */
export async function rememberCheck(
  context: Pick<CommandContext, 'global' | 'env' | 'output' | 'signal'>,
  { storage, config }: Repository,
  { errors, snapshots }: CheckReport,
  readData: DataSubset | null,
  limited: boolean,
): Promise<void> {
  if (limited && errors === 0) return;
  const { name, location } = await locateRepository(context.global, context);
  if (name === null) return;
  const at = new Date().toISOString();
  const verified = { at, extent: extentOf(readData, limited), errors, snapshots };
  try {
    await noteKnown(location, storage.location, { repository: config.id, verified }, context.env);
  } catch (error) {
    context.output.warn(
      `warning: the result could not be noted for \`lifeboat status\`: ${messageOf(error)}`,
    );
  }
}
