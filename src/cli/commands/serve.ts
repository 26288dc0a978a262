import { join, resolve } from 'node:path';
import { type Access, startRestServer } from '../../app/rest-server/server.ts';
import { LifeboatError } from '../../core/errors.ts';
import { parseSize } from '../../policy/size.ts';
import { defineCommand } from '../command.ts';
import { parseListenAddress } from '../option-values.ts';
import { flag, text, value } from '../options.ts';

export const command = defineCommand({
  name: 'serve',
  usage: 'serve --rest ADDRESS --path FOLDER [OPTION]...',
  description: `
    Serves the repositories below a folder over restic's REST protocol, so that other machines store their backups
    here with Lifeboat or restic: \`rest:https://USER:PASSWORD@HOST:PORT/PATH/\`. What arrives is checked against its
    name and made durable before it is acknowledged. Runs until it gets SIGTERM or Ctrl-C; requests under way are
    finished then.

    With --append-only, whoever takes over a machine that makes backups can add to its repository, but neither delete
    nor replace anything in it; run \`forget\` and \`prune\` on this machine, on the folder itself.

    Users stand in a file that \`htpasswd -B\` makes; a change of it takes effect within seconds.`,
  opensRepository: false,
  runsUntilStopped: true,
  documentation: 'storage.md',
  options: {
    rest: value({
      placeholder: 'ADDRESS',
      help: 'where to listen, such as :8000 (all addresses) or 127.0.0.1:8000',
      parse: parseListenAddress,
    }),
    path: text({ placeholder: 'FOLDER', help: 'folder of the repositories; it is made where it is missing' }),
    'append-only': flag({ help: 'take additions only: delete and replace nothing but locks' }),
    'private-repos': flag({ help: 'let each user reach only the folder of his name' }),
    'htpasswd-file': text({
      placeholder: 'FILE',
      help: 'users and passwords (bcrypt or {SHA}); by default .htpasswd in the folder',
    }),
    'no-auth': flag({ help: 'let everybody in' }),
    'tls-cert': text({ placeholder: 'FILE', help: 'serve HTTPS with the certificate in this file (PEM)' }),
    'tls-key': text({ placeholder: 'FILE', help: 'the key of the certificate (PEM)' }),
    'max-size': value({
      placeholder: 'SIZE',
      help: 'store no more than this in the whole folder, such as 500G',
      parse: parseSize,
    }),
  },
  examples: [
    {
      command: 'lifeboat serve --rest :8000 --path /srv/backup --append-only --private-repos',
      explains: 'each user of /srv/backup/.htpasswd adds to his own repositories',
    },
    {
      command: 'lifeboat serve --rest 127.0.0.1:8000 --path /srv/backup --no-auth',
      explains: 'for this machine only',
    },
  ],
  async run({ options, output, signal }) {
    const { rest: listen, path } = options;
    if (!listen || !path) throw new LifeboatError('usage', 'serve needs --rest ADDRESS and --path FOLDER');
    const { tlsCert, tlsKey, noAuth, privateRepos } = options;
    if ((tlsCert === undefined) !== (tlsKey === undefined))
      throw new LifeboatError('usage', '--tls-cert and --tls-key go together');
    if (noAuth && (privateRepos || options.htpasswdFile !== undefined))
      throw new LifeboatError(
        'usage',
        `--no-auth excludes --${privateRepos ? 'private-repos' : 'htpasswd-file'}`,
      );
    const folder = resolve(path);
    const server = await startRestServer({
      ...listen,
      folder,
      htpasswdFile: noAuth ? null : resolve(options.htpasswdFile ?? join(folder, '.htpasswd')),
      appendOnly: options.appendOnly,
      privateRepositories: privateRepos,
      tls: tlsCert !== undefined && tlsKey !== undefined ? { certificate: tlsCert, key: tlsKey } : null,
      bytesMax: options.maxSize ?? null,
      onAccess(access) {
        if (output.json) output.jsonLine({ message_type: 'access', ...access, ms: Math.round(access.ms) });
        else output.verbose(accessLine(access));
      },
      onProblem: (message) => output.warn(message),
    });
    if (!tlsCert && !noAuth && !isLoopback(listen.host))
      output.warn('warning: passwords travel unencrypted; give --tls-cert and --tls-key');
    if (output.json) output.jsonLine({ message_type: 'serving', url: server.url, path: folder });
    else output.info(`serving ${folder} at ${server.url}${options.appendOnly ? ', append-only' : ''}`);
    try {
      await stopped(signal);
    } finally {
      await server.stop();
    }
    return 0;
  },
});

function isLoopback(host: string | null): boolean {
  return host !== null && (host === 'localhost' || host === '::1' || host.startsWith('127.'));
}

function accessLine({ remote, user, method, path, status, bytes, ms }: Access): string {
  const at = new Date().toISOString();
  return `${at} ${remote} ${user ?? '-'} ${method} ${path} ${status} ${bytes} ${ms.toFixed(1)}ms`;
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolveStopped) => {
    if (signal.aborted) resolveStopped();
    signal.addEventListener('abort', () => resolveStopped(), { once: true });
  });
}
