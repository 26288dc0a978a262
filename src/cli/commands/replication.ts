import { LifeboatError } from '../../core/errors.ts';
import { inspectReplication, type ReplicationFindings } from '../../engine/cold/replication.ts';
import { openBucketSession, withRepositoryArgument } from '../bucket-session.ts';
import { defineCommand } from '../command.ts';
import { plural } from '../format.ts';
import { parseWholeNumber } from '../option-values.ts';
import { valueOr } from '../options.ts';
import type { Output } from '../terminal.ts';

const objectsDefault = 20;

export const command = defineCommand({
  name: 'replication',
  usage: 'replication [OPTION]... [REPOSITORY]',
  description: `
    Reads the rules by which a bucket is replicated by its provider, and how the newest snapshots, index files and packs
    fare: whether they have arrived at the other side. Nothing is configured here. Copies that Lifeboat makes itself,
    and verifies, are made with \`lifeboat copy\`.`,
  positionals: { max: 1 },
  options: {
    objects: valueOr({
      placeholder: 'N',
      help: `how many of the newest objects of each kind to look at (${objectsDefault})`,
      fallback: objectsDefault,
      parse: parseWholeNumber(1, 10_000),
    }),
  },
  exitStatuses: { 1: 'there is no rule, or objects have not arrived at the other side' },
  examples: [{ command: 'lifeboat replication offsite', explains: 'whether the other region has it all' }],
  async run(context) {
    const { output, args, options, signal } = context;
    const { storage } = await openBucketSession(withRepositoryArgument(context, args[0]));
    const found = await inspectReplication(storage, {
      objectsMax: options.objects,
      nowMs: Date.now(),
      signal,
    });
    if (output.json) output.jsonLine({ message_type: 'summary', ...found });
    else print(output, found);
    if (found.problems.length === 0) return 0;
    throw new LifeboatError(
      'replication-behind',
      `the bucket ${found.bucket} is not replicated as it should be: ${found.problems.join('; ')}`,
    );
  },
});

function print(output: Output, { bucket, rules, versioning, objects }: ReplicationFindings): void {
  if (rules === null) {
    output.line(
      `the storage of the bucket ${bucket} offers no replication: make copies with \`lifeboat copy\``,
    );
    return;
  }
  if (rules.length === 0) {
    output.line(`the bucket ${bucket} is not replicated by its provider: make copies with \`lifeboat copy\``);
    return;
  }
  for (const { id, enabled, prefix, onTags, destination, storageClass } of rules) {
    const scope = `${prefix === '' ? 'all objects' : prefix}${onTags ? ' with tags' : ''}`;
    output.line(
      `rule ${id}: ${scope} to ${destination}${storageClass ? ` as ${storageClass}` : ''}${enabled ? '' : ' (disabled)'}`,
    );
  }
  if (versioning !== null) output.line(`versions: ${versioning}`);
  const statuses = Map.groupBy(objects, ({ status }) => status ?? 'no status');
  for (const [status, list] of statuses) output.line(`${plural(list.length, 'object')}: ${status}`);
}
