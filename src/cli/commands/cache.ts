import { defaultCacheFolder } from '../../app/local-cache.ts';
import { LifeboatError } from '../../core/errors.ts';
import {
  isOldCache,
  type LocalCache,
  listCaches,
  oldAfterDays,
  removeCache,
  sizeOfCache,
  unusedDays,
} from '../../engine/look/local-caches.ts';
import { defineCommand } from '../command.ts';
import { formatBytes } from '../format.ts';
import { parseWholeNumber } from '../option-values.ts';
import { flag, valueOr } from '../options.ts';
import { formatTable } from '../table.ts';
import type { Output } from '../terminal.ts';

const nameCharacters = 10;

export const command = defineCommand({
  name: 'cache',
  usage: 'cache [OPTION]...',
  description: `
    Lists what this machine keeps of repositories elsewhere (index, snapshots, trees), in --cache-dir or the user's
    cache folder, and removes what was not used for long with --cleanup. A cache may be deleted at any time; the
    next command fetches what it needs. Each is bounded by \`-o cache.size=SIZE\` (5G), and made by no command with
    --no-cache. The caches of restic lie in the same way in another folder: --cache-dir ~/.cache/restic.`,
  opensRepository: false,
  options: {
    cleanup: flag({ help: 'remove caches that were not used for --max-age days' }),
    'max-age': valueOr({
      placeholder: 'DAYS',
      help: `a cache is old after so many days (${oldAfterDays})`,
      fallback: oldAfterDays,
      parse: parseWholeNumber(0, 36_500),
    }),
    'no-size': flag({ help: 'do not measure the caches' }),
  },
  async run({ options, global, output, env }) {
    if (global.noCache) throw new LifeboatError('usage', '--no-cache leaves nothing for this command to do');
    const folder = global.cacheDir ?? defaultCacheFolder(env);
    if (folder === null) {
      throw new LifeboatError('usage', 'the environment does not say where caches are', {
        hint: 'give --cache-dir DIRECTORY, or set XDG_CACHE_HOME or HOME',
      });
    }
    const caches = await listCaches(folder);
    const nowMs = Date.now();
    if (options.cleanup || global.cleanupCache) {
      return cleanUp(
        caches.filter((cache) => isOldCache(cache, options.maxAge, nowMs)),
        output,
      );
    }
    if (output.json) {
      for (const cache of caches)
        output.jsonLine({
          message_type: 'cache',
          repository: cache.name,
          path: cache.path,
          last_used: new Date(cache.usedMs).toISOString(),
          old: isOldCache(cache, options.maxAge, nowMs),
          ...(options.noSize ? {} : { size: await sizeOfCache(cache) }),
        });
      return 0;
    }
    if (caches.length === 0) {
      output.line(`no cache dirs found, basedir is ${folder}`);
      return 0;
    }
    const rows: string[][] = [];
    for (const cache of caches) {
      const size = options.noSize ? [] : [formatBytes(await sizeOfCache(cache)).padStart(11)];
      const old = isOldCache(cache, options.maxAge, nowMs) ? 'yes' : '';
      rows.push([nameOf(cache), `${unusedDays(cache, nowMs)} days ago`, old, ...size]);
    }
    const headings = ['Repo ID', 'Last Used', 'Old', ...(options.noSize ? [] : ['Size'])];
    for (const line of formatTable(headings, rows, `${caches.length} cache dirs in ${folder}`))
      output.line(line);
    return 0;
  },
});

function nameOf({ name }: LocalCache): string {
  return name.startsWith('restic-') ? name : name.slice(0, nameCharacters);
}

async function cleanUp(old: readonly LocalCache[], output: Output): Promise<number> {
  if (old.length === 0) output.info('no old cache dirs found');
  else output.info(`remove ${old.length} old cache directories`);
  let failures = 0;
  for (const cache of old) {
    try {
      await removeCache(cache);
      if (output.json) output.jsonLine({ message_type: 'removed', repository: cache.name, path: cache.path });
    } catch (error) {
      // The others can still go.
      if (!(error instanceof LifeboatError)) throw error;
      output.warn(error.message);
      failures++;
    }
  }
  return failures === 0 ? 0 : 1;
}
