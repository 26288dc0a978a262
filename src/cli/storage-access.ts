import { type CacheSettings, defaultCacheFolder } from '../app/local-cache.ts';
import type { StorageAccess } from '../app/storage-access.ts';
import type { CommandContext } from './command.ts';
import type { GlobalOptions } from './global-options.ts';
import { trafficOf } from './traffic.ts';
import { lifeboatVersion } from './version.ts';

type Context = Pick<CommandContext, 'global' | 'env' | 'output' | 'signal'>;
type Options = Readonly<Record<string, string>>;

const kibibyte = 1024;
/** Operations that run at once fail at once; one line tells of all. */
const tellEveryMs = 5_000;

/** Without options of the configuration, a run has one access, so that its limits hold for all repositories. */
const plain = new WeakMap<GlobalOptions, StorageAccess>();

/**
 * How the storages of this command are reached. Tries again are told as they happen.
 * @param configured options that the configuration has for the repository; those of the command line are stronger.
 */
export function storageAccess(context: Context, configured: Options = {}): StorageAccess {
  const { global } = context;
  const known = plain.get(global) ?? accessOf(context);
  plain.set(global, known);
  const own = Object.entries(configured);
  return own.length === 0 ? known : { ...known, options: [...own, ...known.options], shares: known };
}

function cacheSettings({ noCache, cacheDir }: GlobalOptions, env: Context['env']): CacheSettings | null {
  const folder = noCache ? null : (cacheDir ?? defaultCacheFolder(env));
  return folder === null ? null : { folder };
}

/** For commands that are to see what the storage has, not what this machine remembers of it. */
export function withoutCache<T extends Pick<Context, 'global'>>(context: T): T {
  return { ...context, global: { ...context.global, noCache: true } };
}

function accessOf({ global, env, output, signal }: Context): StorageAccess {
  let toldMs = Number.NEGATIVE_INFINITY;
  const { limitUpload: up, limitDownload: down } = global;
  return {
    env,
    options: global.option,
    authorityFiles: global.cacert.flatMap((files) => files.split(',')),
    clientCertificateFile: global.tlsClientCert ?? null,
    insecureTls: global.insecureTls,
    uploadBytesPerSecond: up ? up * kibibyte : null,
    downloadBytesPerSecond: down ? down * kibibyte : null,
    stuckMs: global.stuckRequestTimeout,
    cache: cacheSettings(global, env),
    traffic: trafficOf(output),
    userAgent: global.httpUserAgent ?? `lifeboat/${lifeboatVersion()}`,
    signal,
    hide: (secret) => output.hide(secret),
    warn: (message) => output.warn(`warning: ${message}`),
    onRetry({ error, delayMs }) {
      const nowMs = performance.now();
      if (nowMs - toldMs < tellEveryMs) return;
      toldMs = nowMs;
      output.warn(`${error.message}; trying again in ${(delayMs / 1000).toFixed(1)} s`);
    },
  };
}
