import { join } from 'node:path';
import type { Place } from '../distance/place.ts';
import type { Settings } from '../settings.ts';
import { hintVariable, keyHint } from './keys.ts';
import { benchPassword, type Program } from './program.ts';

/** A program at repositories of a place, which it is told by their names. */
export interface DistantProgram extends Program {
  /** Where it keeps copies of what it has read, of all repositories. */
  readonly cache: string;
  /** Copies from a local repository to one of the place. */
  copyFrom(local: string, name: string): ReturnType<Program['command']>;
}

/**
 * @param model a local repository with the keys of all that the program will meet.
 * @param forLifeboat whether it opens them by Lifeboat's key.
 */
export function distant(
  settings: Settings,
  program: Program,
  place: Place,
  model: string,
  forLifeboat: boolean,
): DistantProgram {
  const word = forLifeboat ? 'LIFEBOAT' : 'RESTIC';
  const hint = keyHint(model, forLifeboat);
  const cache = join(settings.scratchFolder, `cache-${word.toLowerCase()}`);
  const options = forLifeboat ? place.options.lifeboat : place.options.restic;
  const command: Program['command'] = (name, ...args) => {
    const plain = program.command(place.location(name), ...args, ...options);
    const env = { ...place.env, XDG_CACHE_HOME: cache, ...hintVariable(`${word}_KEY_HINT`, hint) };
    return { ...plain, env: { ...plain.env, ...env } };
  };
  return {
    name: program.name,
    cache,
    command,
    copyFrom(local, name) {
      const plain = command(name, 'copy', '--quiet', '--from-repo', local);
      const env = {
        [`${word}_FROM_PASSWORD`]: benchPassword,
        ...hintVariable(`${word}_FROM_KEY_HINT`, keyHint(local, forLifeboat)),
      };
      return { ...plain, env: { ...plain.env, ...env } };
    },
  };
}
