import { chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from '../measure/process.ts';
import { launcher } from './lifeboat.ts';
import { asServer, runAsServer, type Server, serverAccount } from './postgres.ts';
import { benchPassword } from './program.ts';

/** Lifeboat with a configuration of one PostgreSQL source, called `bench`, and one repository. */
export interface LifeboatSource {
  readonly repository: string;
  /** Writes the configuration. `source` are its further keys, as the file has them. */
  configure(server: Pick<Server, 'url'>, source: Readonly<Record<string, unknown>>): void;
  command(...args: string[]): Command;
  /** Runs a command to its end, untimed, and returns what it prints. @throws NotMeasured. */
  run(...args: string[]): string;
  /** What a server runs for each segment. */
  readonly archiveCommand: string;
}

export const benchSource = 'bench';

/** @param folder one of the servers' account. */
export function lifeboatSource(folder: string): LifeboatSource {
  const configuration = join(folder, 'lifeboat.yaml');
  const password = join(folder, 'password');
  const repository = join(folder, 'repository');
  const owner = serverAccount();
  const write = (path: string, text: string): void => {
    writeFileSync(path, text, { mode: 0o600 });
    if (owner) chownSync(path, owner.uid, owner.gid);
  };
  const general = ['--config', configuration];
  return {
    repository,
    archiveCommand: `'${launcher}' --config '${configuration}' wal push --source ${benchSource} "%p"`,
    configure({ url }, source) {
      write(password, benchPassword);
      const file = {
        version: 1,
        repositories: { main: { path: repository, password: `file:${password}` } },
        sources: { [benchSource]: { type: 'postgres', url, ...source } },
      };
      write(configuration, `${JSON.stringify(file, null, 2)}\n`); // JSON is YAML
    },
    command: (...args) =>
      asServer({ file: launcher, args: [...general, ...args], env: { HOME: folder, LC_ALL: 'C' } }),
    run: (...args) => runAsServer(launcher, [...general, ...args]),
  };
}
