import assert from 'node:assert/strict';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, test } from 'node:test';
import { ended, jsonLines, lifeboat, run, start, succeed, systemRestic } from '../programs.ts';
import { exchangeBackups, makeFiles } from './exchange.ts';

const scratch = mkdtempSync(join(tmpdir(), 'remote-rest-'));
const running: ChildProcessWithoutNullStreams[] = [];
after(() => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(scratch, { recursive: true, force: true });
});

interface Server {
  readonly url: string;
  readonly folder: string;
  readonly child: ChildProcessWithoutNullStreams;
  printed(): string;
}

async function serve(folder: string, args: readonly string[] = ['--no-auth']): Promise<Server> {
  const child = start(lifeboat(), ['serve', '--json', '--rest', '127.0.0.1:0', '--path', folder, ...args]);
  running.push(child);
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
    });
  }
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { url } = JSON.parse(line) as { url: string };
  return { url, folder, child, printed: () => printed };
}

const place = (name: string): string => {
  const path = join(scratch, name);
  mkdirSync(path, { recursive: true });
  return path;
};

describe('lifeboat serve --rest', () => {
  test('keeps repositories that Lifeboat made for restic, and the other way round', async () => {
    const server = await serve(join(scratch, 'served'));
    for (const creator of ['lifeboat', 'restic'] as const) {
      const repository = `rest:${server.url}${creator}/repository/`;
      await exchangeBackups({ repository }, creator, place(`by-${creator}`));
      assert.ok(existsSync(join(server.folder, creator, 'repository', 'config')));
      // The folder itself is a repository, too.
      await succeed(systemRestic, ['check'], { repository: join(server.folder, creator, 'repository') });
    }
  });

  test('lets users with their passwords in, over TLS, and nobody else; passwords are printed nowhere', async (t) => {
    const folder = place('private');
    const [cert, key] = [join(scratch, 'cert.pem'), join(scratch, 'key.pem')];
    const made = spawnSync('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-out', cert, '-keyout', key],
    ]);
    if (made.status !== 0) return t.skip('needs openssl');
    const { hash } = (await import('bcryptjs')).default;
    const secret = 'open-sesame-77';
    writeFileSync(join(folder, '.htpasswd'), `one:${(await hash(secret, 4)).replace('$2b', '$2y')}\n`);
    const server = await serve(folder, ['--private-repos', '--tls-cert', cert, '--tls-key', key, '-v']);
    const repository = `rest:${server.url}one/`;
    const source = makeFiles(join(scratch, 'private-source'));
    const env = { RESTIC_REST_USERNAME: 'one', RESTIC_REST_PASSWORD: secret };
    const secure = ['--cacert', cert];
    await succeed(lifeboat(), [...secure, 'init'], { repository, env });
    await succeed(lifeboat(), [...secure, 'backup', source], { repository, env });
    // The restic of the system knows no variables for user and password.
    const withLogin = repository.replace('//', `//one:${secret}@`);
    await succeed(systemRestic, [...secure, 'check'], { repository: withLogin });
    const shown = await run(lifeboat(), [...secure, 'snapshots', '--json'], { repository: withLogin });
    assert.equal(shown.status, 0, shown.stderr);

    const answers = [
      shown,
      await run(lifeboat(), ['snapshots'], { repository, env }),
      await run(lifeboat(), [...secure, 'snapshots'], { repository }),
      await run(lifeboat(), [...secure, 'snapshots', '--json'], {
        repository,
        env: { ...env, RESTIC_REST_PASSWORD: 'close-sesame-78' },
      }),
      await run(lifeboat(), [...secure, 'snapshots'], { repository: `rest:${server.url}two/`, env }),
      await run(lifeboat(), [...secure, 'init'], { repository: withLogin.replace('one/', 'two/') }),
    ];
    assert.deepEqual(
      answers.slice(1).map(({ status, stderr }) => [status, /storage-[a-z]+/.exec(stderr)?.[0]]),
      [
        [1, 'storage-tls'],
        [1, 'storage-credentials'],
        [1, 'storage-credentials'],
        [1, 'storage-denied'],
        [1, 'storage-denied'],
      ],
      answers.map(({ stderr }) => stderr).join('\n'),
    );
    const everything = answers.map(({ stdout, stderr }) => stdout + stderr).join('') + server.printed();
    assert.ok(!/sesame/.test(everything));
    assert.match(server.printed(), /"user":"one"/);
  });

  test('takes a password by reference from the configuration', async () => {
    const folder = place('by-reference');
    const { hash } = (await import('bcryptjs')).default;
    writeFileSync(join(folder, '.htpasswd'), `one:${await hash('from-a-file-55', 4)}\n`);
    const server = await serve(folder, []);
    writeFileSync(join(scratch, 'rest.password'), 'from-a-file-55\n', { mode: 0o600 });
    writeFileSync(join(scratch, 'repo.key'), 'of the repository\n', { mode: 0o600 });
    const config = join(scratch, 'lifeboat.yaml');
    writeFileSync(
      config,
      `version: 1
repositories:
  server:
    rest: { url: "${server.url}app/", user: one, password: "file:rest.password" }
    password: file:repo.key
`,
    );
    const env = { RESTIC_PASSWORD: '', LIFEBOAT_CONFIG: config };
    await succeed(lifeboat(), ['init'], { env });
    await succeed(lifeboat(), ['snapshots'], { env });
    assert.ok(existsSync(join(folder, 'app', 'config')));
    const shown = await succeed(lifeboat(), ['config', 'show'], { env });
    assert.ok(shown.includes('rest.password') && !shown.includes('from-a-file'));
  });

  test('refuses to delete where it is append-only: backups go on, forgetting does not', async () => {
    const server = await serve(join(scratch, 'append-only'), ['--no-auth', '--append-only']);
    const repository = `rest:${server.url}app/`;
    const source = makeFiles(join(scratch, 'append-source'));
    await succeed(lifeboat(), ['init'], { repository });
    await succeed(lifeboat(), ['backup', source], { repository });
    await succeed(systemRestic, ['backup', source], { repository });
    const before = readdirSync(join(server.folder, 'app', 'snapshots'));
    const keepOne = ['forget', '--keep-last', '1', '--prune', '--group-by', ''];
    const forgotten = await run(lifeboat(), keepOne, { repository });
    assert.notEqual(forgotten.status, 0, forgotten.stdout);
    assert.match(forgotten.stderr, /only takes additions/);
    // restic tries the same for a minute, so it is interrupted once it was refused.
    const stubborn = start(systemRestic, keepOne, { repository });
    stubborn.stdin.end();
    const end = ended(stubborn);
    stubborn.stderr.on('data', (chunk: Buffer) => {
      if (/403/.test(chunk.toString())) stubborn.kill('SIGINT');
    });
    const refused = await end;
    assert.notEqual(refused.status, 0, refused.stdout);
    assert.match(refused.stderr, /403/);
    assert.deepEqual(readdirSync(join(server.folder, 'app', 'snapshots')), before);
    await succeed(systemRestic, ['check', '--read-data'], { repository });
    await succeed(lifeboat(), ['check', '--read-data'], { repository });
  });

  test('has nothing of an upload in which it was killed, and goes on after it was started again', async () => {
    const folder = join(scratch, 'killed');
    const first = await serve(folder);
    const { hostname, port } = new URL(first.url);
    const pack = randomBytes(3_000_000);
    const id = createHash('sha256').update(pack).digest('hex');
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on('error', () => undefined);
    socket.write(`POST /app/data/${id} HTTP/1.1\r\nHost: x\r\nContent-Length: ${pack.length}\r\n\r\n`);
    socket.write(pack.subarray(0, 2_000_000));
    await new Promise((resolve) => setTimeout(resolve, 200));
    first.child.kill('SIGKILL');
    await ended(first.child);
    assert.deepEqual(existsSync(join(folder, 'app')) ? readdirSync(join(folder, 'app')) : [], []);
  });

  test('is waited for by a backup while it is away', async () => {
    const folder = join(scratch, 'away');
    const first = await serve(folder);
    const repository = `rest:${first.url}app/`;
    const source = join(scratch, 'away-source');
    mkdirSync(source);
    for (let n = 0; n < 6; n++) writeFileSync(join(source, `${n}`), randomBytes(10_000_000));
    await succeed(lifeboat(), ['init'], { repository });
    const backup = start(lifeboat(), ['backup', '--limit-upload', '20000', source], { repository });
    backup.stdin.end();
    const done = ended(backup);
    while (!existsSync(join(folder, 'app', 'data'))) await new Promise((resolve) => setTimeout(resolve, 20));
    first.child.kill('SIGKILL');
    await ended(first.child);
    const { port } = new URL(first.url);
    const second = start(lifeboat(), ['serve', '--rest', `127.0.0.1:${port}`, '--path', folder, '--no-auth']);
    running.push(second);
    const { status, stderr } = await done;
    assert.equal(status, 0, stderr);
    await succeed(systemRestic, ['check', '--read-data'], { repository: join(folder, 'app') });
    second.kill('SIGTERM');
    assert.equal((await ended(second)).status, 0);
  });

  test('stops on SIGTERM with status 0, and says what is wrong with its options', async () => {
    const server = await serve(join(scratch, 'stopped'));
    server.child.kill('SIGTERM');
    const [status] = (await once(server.child, 'close')) as [number];
    assert.equal(status, 0);
    for (const args of [
      ['serve'],
      ['serve', '--rest', ':x', '--path', scratch],
      ['serve', '--rest', '127.0.0.1:0', '--path', join(scratch, 'no-users')],
      ['serve', '--rest', '127.0.0.1:0', '--path', scratch, '--no-auth', '--tls-cert', 'x'],
      ['serve', '--rest', '127.0.0.1:0', '--path', scratch, '--no-auth', '--private-repos'],
    ]) {
      const { status: failed, stderr } = await run(lifeboat(), args);
      assert.equal(failed, 1);
      assert.match(stderr, /^Fatal: .*\n {2}hint: /, args.join(' '));
    }
    const lines = await jsonLines(lifeboat(), ['version']);
    assert.ok(lines.length > 0 && readFileSync(join(scratch, 'cert.pem'), 'utf8') !== '');
  });
});
