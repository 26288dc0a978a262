import { readFileSync } from 'node:fs';

/** Set by the bundler; sources run as they are ask package.json. */
declare const LIFEBOAT_VERSION: string | undefined;

/** Lifeboat's version, as in package.json. */
export function lifeboatVersion(): string {
  if (typeof LIFEBOAT_VERSION === 'string') return LIFEBOAT_VERSION;
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** The line that `lifeboat version` prints. */
export function versionLine(): string {
  return `lifeboat ${lifeboatVersion()} on Node.js ${process.version}, ${process.platform}/${process.arch}`;
}
