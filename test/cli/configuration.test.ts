import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findConfiguration, loadConfiguration } from '../../src/app/configuration/load.ts';
import { hasCode } from '../../src/core/errors.ts';
import { localStorage } from '../../src/storage/local/local.ts';
import { type Ended, lifeboat, type RunOptions, run } from '../programs.ts';
import { createCheapRepository, testPassword } from '../repositories/cheap.ts';

const folder = mkdtempSync(join(tmpdir(), 'lifeboat-configuration-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'lifeboat.yaml');
const files = join(folder, 'files');

const repositories = {
  local: { path: 'one', password: 'file:key' },
  second: { path: 'two', password: 'env:SECOND_KEY' },
};
const sources = {
  uploads: { type: 'files', paths: ['files'], exclude: ['*.tmp'] },
  'app-db': { type: 'postgres', url: 'postgresql://app:planted-secret@127.0.0.1:1/app', method: 'physical' },
};

function write(configuration: Readonly<Record<string, unknown>>, name = 'lifeboat.yaml'): string {
  const file = join(folder, name);
  writeFileSync(file, JSON.stringify({ version: 1, ...configuration }));
  return file;
}

/** Runs it in the folder of the configuration, without a word about repository and password. */
function own(args: readonly string[], more: RunOptions = {}): Promise<Ended> {
  return run(lifeboat(), args, {
    cwd: folder,
    password: '',
    ...more,
    env: { SECOND_KEY: testPassword, ...more.env },
  });
}

async function succeeds(args: readonly string[], more: RunOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await own(args, more);
  assert.equal(status, 0, `${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

async function fails(args: readonly string[], more: RunOptions = {}): Promise<string> {
  const { status, stdout, stderr } = await own(args, more);
  assert.notEqual(status, 0, stdout);
  return stderr;
}

const snapshotsIn = async (name: string): Promise<{ tags?: string[]; paths: string[] }[]> =>
  JSON.parse(await succeeds(['-r', name, 'snapshots', '--json']));

before(async () => {
  for (const name of ['one', 'two']) await createCheapRepository(localStorage(join(folder, name)));
  writeFileSync(join(folder, 'key'), `${testPassword}\n`, { mode: 0o600 });
  mkdirSync(files);
  writeFileSync(join(files, 'kept'), 'kept');
  writeFileSync(join(files, 'left.tmp'), 'left');
  write({ repositories, sources });
});

describe('the configuration file', () => {
  test('is the one named, else that of the environment, else that of the working directory', async () => {
    const other = write({ repositories: { other: { path: 'one', password: 'file:key' } } }, 'other.yaml');
    const shown = async (args: readonly string[], more: RunOptions = {}): Promise<string> =>
      (JSON.parse(await succeeds(['config', 'show', '--json', ...args], more)) as { path: string }).path;
    assert.equal(await shown([]), path);
    assert.equal(await shown([], { env: { LIFEBOAT_CONFIG: 'other.yaml' } }), other);
    assert.equal(await shown(['--config', path], { env: { LIFEBOAT_CONFIG: 'other.yaml' } }), path);
  });

  test('that does not exist is an error where it is named or needed', async () => {
    assert.match(await fails(['config', 'show', '--config', 'none.yaml']), /none\.yaml does not exist/);
    assert.match(await fails(['snapshots', '--config', 'none.yaml']), /none\.yaml does not exist/);
    const missing = await fails(['config', 'show'], { cwd: files });
    assert.match(missing, /there is no configuration: .*\n {2}hint: name the file with --config/);
    await assert.rejects(loadConfiguration(join(folder, 'none'), {}), (error) =>
      hasCode(error, 'configuration-missing'),
    );
  });

  test('of another user is not used unless it is named', {
    skip: process.getuid?.() !== 0 && 'needs root',
  }, async () => {
    const foreign = join(folder, 'foreign');
    mkdirSync(foreign);
    writeFileSync(join(foreign, 'lifeboat.yaml'), 'version: 1');
    chownSync(join(foreign, 'lifeboat.yaml'), 65534, 65534);
    assert.match(await fails(['config', 'show'], { cwd: foreign }), /belongs to another user/);
    await succeeds(['config', 'show', '--config', 'lifeboat.yaml'], { cwd: foreign });
  });

  test('is not looked at where nothing of it is needed', async () => {
    writeFileSync(join(files, 'lifeboat.yaml'), 'broken: [');
    const options = { cwd: files, repository: join(folder, 'one'), password: testPassword };
    assert.equal(await succeeds(['snapshots', '--json'], options), '[]\n');
    assert.match(await fails(['snapshots'], { cwd: files }), /lifeboat\.yaml:1:\d+: this is not YAML/);
    rmSync(join(files, 'lifeboat.yaml'));
  });

  test('may be a pipe, which is read once however often it is asked for', async () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    const loading = loadConfiguration(path, {});
    await writeFile(path, 'version: 1\nrepositories: { only: { path: /r, password: env:P } }\n');
    for (const configuration of [await loading, await loadConfiguration(path, {})])
      assert.deepEqual(Object.keys(configuration.repositories), ['only']);
  });

  test('is found by absolute path', async () => {
    assert.equal(await findConfiguration(null, { LIFEBOAT_CONFIG: '/x.yaml' }), '/x.yaml');
    assert.equal(await findConfiguration('/y.yaml', { LIFEBOAT_CONFIG: '/x.yaml' }), '/y.yaml');
  });
});

describe('config', () => {
  test('validate says what a file means', async () => {
    const { status, stdout, stderr } = await own(['config', 'validate']);
    assert.equal(status, 0);
    assert.equal(
      stdout,
      `✓ ${path}
  repository  local    ${folder}/one
  repository  second   ${folder}/two
  source      uploads  files, 1 path → local, second
  source      app-db   postgres, physical → local, second
`,
    );
    assert.match(
      stderr,
      /^warning: .*lifeboat\.yaml:1:\d+: sources\.app-db\.url: the password stands in the file/,
    );
  });

  test('validate names every problem and fails', async () => {
    writeFileSync(join(folder, 'bad.yaml'), 'version: 1\nsorces: {}\nplans: {}\n');
    const { status, stdout, stderr } = await own(['config', 'validate', 'bad.yaml']);
    assert.deepEqual([status, stdout], [1, '']);
    const file = join(folder, 'bad.yaml');
    assert.equal(
      stderr,
      `${file}:2:1: sorces: unknown key; did you mean sources?
${file}:3:1: plans: not supported by this version
Fatal: ${file} has 2 problems, named above
  hint: correct the file and run \`lifeboat config validate\`; docs/configuration.md lists every key
  more: lifeboat help configuration-invalid
`,
    );
    const json = await own(['config', 'validate', 'bad.yaml', '--json']);
    assert.equal(json.status, 1);
    const { valid, problems } = JSON.parse(json.stdout);
    assert.equal(valid, false);
    assert.deepEqual(problems[0], {
      line: 2,
      column: 1,
      path: 'sorces',
      message: 'unknown key; did you mean sources?',
    });
    assert.equal(
      await fails(['-r', 'local', 'snapshots', '--config', 'bad.yaml']),
      `Fatal: ${file} has 2 problems
  ${file}:2:1: sorces: unknown key; did you mean sources?
  ${file}:3:1: plans: not supported by this version
  hint: correct the file and run \`lifeboat config validate\`; docs/configuration.md lists every key
  more: lifeboat help configuration-invalid
`,
    );
  });

  test('show writes out defaults and no secret', async () => {
    const yaml = await succeeds(['config', 'show']);
    assert.match(yaml, /backup-type: incremental/);
    assert.match(yaml, /password: env:SECOND_KEY/);
    assert.doesNotMatch(yaml, /planted-secret/);
    assert.doesNotMatch(await succeeds(['config', 'show', '--json']), /planted-secret/);
  });

  test('schema is one for editors', async () => {
    const schema = JSON.parse(await succeeds(['config', 'schema']));
    assert.equal(schema.$schema, 'https://json-schema.org/draft/2020-12/schema');
    assert.deepEqual(schema.required, ['version']);
    assert.equal(schema.additionalProperties, false);
    const journal = schema.properties.sources.additionalProperties.oneOf[0].properties.journal.properties;
    assert.equal(journal['max-lag'].default, '5s');
    assert.match(journal['max-lag'].description, /data you may lose/);
  });
});

describe('a repository of the configuration', () => {
  test('is named with -r, with its own password', async () => {
    assert.deepEqual(await snapshotsIn('local'), []);
    assert.deepEqual(await snapshotsIn('second'), []);
  });

  test('goes without a name where it is the only one', async () => {
    const single = write({ repositories: { local: repositories.local } }, 'single.yaml');
    assert.equal(await succeeds(['snapshots', '--json', '--config', single]), '[]\n');
    assert.match(
      await fails(['snapshots']),
      /no repository was given, and the configuration has several\n {2}hint: give -r NAME with one of local, second/,
    );
  });

  test('does not stand in the way of paths, not even of those that look like names', async () => {
    const password = testPassword;
    assert.equal(await succeeds(['-r', 'one', 'snapshots', '--json'], { password }), '[]\n');
    assert.equal(await succeeds(['-r', join(folder, 'two'), 'snapshots', '--json'], { password }), '[]\n');
    assert.equal(await succeeds(['snapshots', '--json'], { password, repository: './one' }), '[]\n');
  });

  test('takes its password from the configuration last of all', async () => {
    assert.match(
      await fails(['-r', 'local', 'snapshots'], { password: 'wrong' }),
      /wrong password|no key found/i,
    );
    writeFileSync(join(folder, 'wrong-key'), 'wrong');
    const args = ['-r', 'local', '--password-file', 'wrong-key', 'snapshots'];
    assert.match(await fails(args), /wrong password|no key found/i);
  });

  test('whose secret is missing says which', async () => {
    assert.match(
      await fails(['-r', 'second', 'snapshots'], { env: { SECOND_KEY: '' } }),
      /^Fatal: the secret env:SECOND_KEY is empty\n/,
    );
  });

  test('is created and copied from by its name', async () => {
    const third = { ...repositories, third: { path: 'three', password: 'command:cat key' } };
    const config = write({ repositories: third }, 'third.yaml');
    const made = await succeeds([
      '--config',
      config,
      '-r',
      'third',
      'init',
      '--from-repo',
      'local',
      '--copy-chunker-params',
    ]);
    assert.match(made, /Next: lifeboat -r third backup FOLDER/);
    await succeeds(['--config', config, '-r', 'third', 'copy', '--from-repo', 'local']);
  });
});

describe('backup --source', () => {
  test('of files goes to every repository that keeps them', async () => {
    const stdout = await succeeds(['backup', '--source', 'uploads', '--tag', 'mine']);
    assert.match(stdout, /^uploads to local$/m);
    assert.match(stdout, /^uploads to second$/m);
    for (const name of ['local', 'second']) {
      const [snapshot, ...others] = await snapshotsIn(name);
      assert.deepEqual(others, []);
      assert.deepEqual(snapshot?.tags, ['mine', 'lifeboat:source=uploads']);
      assert.deepEqual(snapshot?.paths, [files]);
      const listed = await succeeds(['-r', name, 'ls', 'latest']);
      assert.match(listed, /files\/kept/);
      assert.doesNotMatch(listed, /left\.tmp/);
    }
  });

  test('goes to one where it is named, with the names in the summary', async () => {
    for (const choice of [
      ['--repository', 'second'],
      ['-r', 'second'],
    ]) {
      const lines = (await succeeds(['backup', '--source', 'uploads', '--json', ...choice]))
        .trim()
        .split('\n');
      const summary = JSON.parse(lines.at(-1)!);
      assert.deepEqual([summary.source, summary.repository], ['uploads', 'second']);
      assert.equal(lines.filter((line) => line.includes('"summary"')).length, 1);
    }
    const environment = { repository: join(folder, 'elsewhere'), password: 'other' };
    await succeeds(['backup', '--source', 'uploads'], environment);
  });

  test('that fails for one repository or source is made for the others, and says so', async () => {
    const before = (await snapshotsIn('local')).length;
    const one = await own(['backup', '--source', 'uploads'], { env: { SECOND_KEY: 'wrong' } });
    assert.equal(one.status, 1);
    assert.match(one.stderr, /Fatal: 1 of 2 backups failed, as said above/);
    assert.equal((await snapshotsIn('local')).length, before + 1);

    const all = await own(['backup', '--all']);
    assert.equal(all.status, 1);
    assert.match(all.stderr, /cannot connect to PostgreSQL[^\n]*\n(.*\n)*.*Fatal: 2 of 4 backups failed/);
    assert.equal((await snapshotsIn('local')).length, before + 2);
    assert.doesNotMatch(all.stdout + all.stderr, /planted-secret/);
  });

  test('that is the only one fails with its own error', async () => {
    const { status, stderr } = await own(['backup', '--source', 'app-db', '--repository', 'local', '--json']);
    assert.equal(status, 1);
    assert.equal(JSON.parse(stderr.trim().split('\n').at(-1)!).error, 'database-unreachable');
  });

  test('of a database tells its plan without connecting', async () => {
    const args = ['backup', '--source', 'app-db', '--repository', 'local', '--dry-run'];
    assert.equal(await succeeds(args), 'would back up app-db to local: physical, full\n');
    const plan = JSON.parse(await succeeds([...args, '--json']));
    assert.deepEqual(plan, {
      message_type: 'plan',
      dry_run: true,
      source: 'app-db',
      repository: 'local',
      method: 'physical',
      type: 'full',
      base: null,
    });
  });

  const refused: readonly (readonly [readonly string[], RegExp])[] = [
    [['--source', 'uploads', 'x'], /paths and --source cannot be backed up together/],
    [['--source', 'upload'], /no source is named "upload" in .*; did you mean uploads\?/],
    [['--source', 'uploads', '--repository', 'x'], /no repository is named "x"/],
    [['--source', 'uploads', '-r', './one'], /no repository is named ".\/one"/],
    [['--source', 'uploads', '--all'], /--all includes every source/],
    [['--source', 'uploads', '--type', 'full'], /--type makes no sense for uploads/],
    [['--source', 'uploads', '--stdin'], /--stdin makes no sense for uploads/],
    [
      ['--source', 'uploads', '--password-file', 'key'],
      /passwords of repositories are those of the configuration/,
    ],
    [['--source', 'app-db', '--force'], /--force makes no sense for app-db.*\n {2}hint: give --type full/],
    [['--source', 'app-db', '--exclude', 'x'], /--exclude makes no sense for app-db: it is a database/],
    [['--source', 'app-db', '--group-by', 'host'], /--group-by makes no sense for app-db/],
    [['--source', 'app-db', '--type', 'ful'], /expected one of full, differential, incremental/],
    [['--type', 'full', 'x'], /--type needs --source or --all/],
    [['--repository', 'local', 'x'], /--repository needs --source or --all/],
  ];
  for (const [args, message] of refused) {
    test(`is refused as ${args.join(' ')}`, async () => {
      assert.match(await fails(['backup', ...args]), message);
    });
  }
});
