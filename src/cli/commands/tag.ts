import { LifeboatError, messageOf } from '../../core/errors.ts';
import { loadSnapshots } from '../../engine/look/find-snapshot.ts';
import { changeTags, replaceSnapshot } from '../../engine/tag/change-tags.ts';
import { flattenTags, parseTagList } from '../../policy/tags.ts';
import { defineCommand } from '../command.ts';
import { values } from '../options.ts';
import { withRepository } from '../session.ts';
import { snapshotFilterOf, snapshotFilterOptions } from '../snapshot-options.ts';

const placeholder = 'TAG[,TAG]...';

export const command = defineCommand({
  name: 'tag',
  usage: 'tag [OPTION]... [SNAPSHOT]...',
  description: `
    Changes the tags of the snapshots named, or of all that the filter lets through. A snapshot gets a new ID
    by that; the first one stays known in it.`,
  positionals: { max: Number.POSITIVE_INFINITY },
  options: {
    set: values({
      placeholder,
      help: "the tags instead of those there are (repeatable); '' takes all away",
      parse: parseTagList,
    }),
    add: values({ placeholder, help: 'tags to add (repeatable)', parse: parseTagList }),
    remove: values({ placeholder, help: 'tags to remove (repeatable)', parse: parseTagList }),
    ...snapshotFilterOptions,
  },
  examples: [
    { command: 'lifeboat tag --add keep latest', explains: 'mark the latest snapshot' },
    { command: 'lifeboat tag --set daily --host db', explains: 'give all of a host one tag' },
  ],
  async run(context) {
    const { options, args, output } = context;
    const isSet = options.set.length > 0;
    const isChanged = options.add.length > 0 || options.remove.length > 0;
    if (!isSet && !isChanged)
      throw new LifeboatError('usage', 'nothing to do: give --set, --add or --remove');
    if (isSet && isChanged)
      throw new LifeboatError('usage', '--set and --add or --remove cannot be given at the same time');
    const change = {
      set: isSet ? flattenTags(options.set) : null,
      add: flattenTags(options.add),
      remove: flattenTags(options.remove),
    };

    output.info('create exclusive lock for repository');
    let changed = 0;
    let failed = 0;
    await withRepository(context, 'exclusive', async (repository, signal) => {
      for (const snapshot of await loadSnapshots(repository, args, snapshotFilterOf(options))) {
        signal.throwIfAborted();
        const tagged = changeTags(snapshot, change);
        if (!tagged) continue;
        try {
          const id = await replaceSnapshot(repository, snapshot.id, tagged);
          changed++;
          if (output.json)
            output.jsonLine({ message_type: 'changed', old_snapshot_id: snapshot.id, new_snapshot_id: id });
          else output.verbose(`old snapshot ID: ${snapshot.id} -> new snapshot ID: ${id}`);
        } catch (error) {
          // The others can still be changed; the exit status tells of it.
          failed++;
          output.warn(
            `unable to modify the tags for snapshot ID ${snapshot.id}, ignoring: ${messageOf(error)}`,
          );
        }
      }
    });
    if (output.json) output.jsonLine({ message_type: 'summary', changed_snapshots: changed });
    else output.info(changed === 0 ? 'no snapshots were modified' : `modified ${changed} snapshots`);
    return failed === 0 ? 0 : 1;
  },
});
