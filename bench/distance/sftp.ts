import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasSshd, startSshd } from '../../test/storage/sshd.ts';
import { cloneRepository } from '../programs/repositories.ts';
import { freshFolder, NotMeasured, removeFolder, type Settings } from '../settings.ts';
import type { Place } from './place.ts';
import { relayTo } from './relay.ts';

/** A folder of an OpenSSH server on this machine. @throws NotMeasured where there is none. */
export async function sftpPlace(settings: Settings, delayMs: number): Promise<Place> {
  if (!hasSshd) throw new NotMeasured('needs sshd');
  const sshd = await startSshd();
  const relay = delayMs > 0 ? await relayTo(sshd.port, 'bytes', delayMs) : null;
  const port = relay?.port ?? sshd.port;
  const knownHosts = join(sshd.folder, 'known_hosts');
  writeFileSync(knownHosts, readFileSync(sshd.knownHosts, 'utf8').replace(`:${sshd.port}`, `:${port}`));
  const folder = freshFolder(settings, 'sftp');
  const ssh = `ssh -F none -p ${port} -i ${sshd.key} -o UserKnownHostsFile=${knownHosts} ${sshd.user}@127.0.0.1 -s sftp`;
  return {
    location: (name) => `sftp://${sshd.user}@127.0.0.1:${port}/${join(folder, name)}`,
    options: {
      lifeboat: ['-o', `sftp.key=${sshd.key}`, '-o', `sftp.known-hosts=${knownHosts}`],
      restic: ['-o', `sftp.command=${ssh}`],
    },
    near: { location: (name) => join(folder, name), options: { lifeboat: [], restic: [] } },
    env: {},
    async put(repository, name) {
      cloneRepository(repository, join(folder, name));
    },
    async remove(name) {
      removeFolder(join(folder, name));
    },
    requests: null,
    async close() {
      relay?.close();
      await sshd.destroy();
      removeFolder(folder);
    },
  };
}
