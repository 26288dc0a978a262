import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Configuration, repositoriesOfSource } from '../../model/configuration.ts';
import { parseConfiguration } from './parse.ts';
import { formatProblem } from './problems.ts';
import { configurationYaml } from './view.ts';

const place = { path: '/etc/lifeboat/lifeboat.yaml', home: '/home/user' };

function understood(text: string): Configuration {
  const { configuration, problems } = parseConfiguration(text, place);
  assert.deepEqual(problems, []);
  return configuration!;
}

/** What is wrong, as people see it, without the name of the file. */
function problemsIn(text: string): string[] {
  const { configuration, problems } = parseConfiguration(text, place);
  assert.equal(configuration, null);
  return problems.map((problem) => formatProblem('', problem).slice(1));
}

const warningsIn = (text: string): string[] =>
  parseConfiguration(text, place).warnings.map((problem) => formatProblem('', problem).slice(1));

const head = 'version: 1\nrepositories:\n  local: { path: repo, password: "file:repo.key" }\n';

describe('a configuration', () => {
  it('is understood with defaults, units and absolute paths', () => {
    const { repositories, sources, protect } = understood(
      `${head}sources:
  app-db: { type: postgres, url: env:DATABASE_URL, method: physical, journal: { max-lag: 1m30s, slice-size: 1G } }
  uploads: { type: files, paths: [a, /b, ~/c] }`,
    );
    assert.deepEqual(repositories, {
      local: {
        location: '/etc/lifeboat/repo',
        options: {},
        password: 'file:/etc/lifeboat/repo.key',
        site: null,
        removable: false,
        immutability: null,
        tiers: [],
        lifecycle: { keepNoncurrentDays: 30, abortUploadsDays: 7 },
      },
    });
    assert.deepEqual(sources['app-db'], {
      type: 'postgres',
      name: 'app-db',
      url: 'env:DATABASE_URL',
      password: null,
      method: 'physical',
      way: 'auto',
      dataDirectory: null,
      binDirectory: null,
      backupType: 'incremental',
      databases: [],
      allDatabases: false,
      includeSchemas: [],
      excludeSchemas: [],
      includeTables: [],
      excludeTables: [],
      schemaOnly: false,
      jobs: 1,
      scratch: null,
      journal: {
        way: 'receive',
        maxLagMs: 90_000,
        sliceBytesMax: 2 ** 30,
        slot: 'lifeboat_app_db',
        slotBytesMax: 10 * 2 ** 30,
        proofTimeoutMs: 60_000,
      },
      hooks: { beforeBackup: [], afterBackup: [], beforeRestore: [], afterRestore: [] },
    });
    assert.deepEqual(sources.uploads, {
      type: 'files',
      name: 'uploads',
      paths: ['/etc/lifeboat/a', '/b', '/home/user/c'],
      exclude: [],
    });
    assert.deepEqual(protect, [{ sources: ['app-db', 'uploads'], to: ['local'], copies: [] }]);
  });

  it('says which repositories keep a source, each once', () => {
    const configuration = understood(`version: 1
repositories: { a: { path: a, password: env:A }, b: { path: b, password: env:B } }
sources: { one: { type: files, paths: [x] }, two: { type: files, paths: [x] }, three: { type: files, paths: [x] } }
protect: [{ sources: [one, two], to: b }, { sources: one, to: [a, b] }]`);
    const kept = ['one', 'two', 'three'].map((name) => repositoriesOfSource(configuration, name));
    assert.deepEqual(kept, [['b', 'a'], ['b'], []]);
  });

  it('comes back from what `config show` prints', () => {
    const text = `${head}sources:
  a: { type: postgres, url: "host=x dbname=y", databases: all, jobs: 3, hooks: { after-restore: [{ http: "http://x/", timeout: 1500ms }] } }
  b: { type: postgres, url: env:X, password: "command:pass x", method: physical, way: remote, journal: {} }
  c: { type: files, paths: [/c], exclude: ["*.o"] }`;
    const once = understood(text);
    assert.deepEqual(understood(configurationYaml(once)), once);
  });

  it('has no databases whose names mean snapshots', () => {
    for (const name of ['latest', 'deadbeef', '0123456789ab'])
      assert.match(
        parseConfiguration(`${head}sources: { "${name}": { type: postgres } }`, place).problems[0]!.message,
        /means a snapshot; choose another name/,
      );
    for (const name of ['db', 'cafe', 'latest-db', 'deadbeef-db'])
      assert.deepEqual(
        parseConfiguration(`${head}sources: { ${name}: { type: postgres } }`, place).problems,
        [],
      );
  });

  it('is shown without the passwords that stand in it', () => {
    for (const url of [
      'postgresql://app:hunter2@db/x',
      'host=db password=hunter2 user=x',
      "host=db password='hunt er\\'2'",
      'postgresql://db/x?password=hunter2&sslmode=require',
    ]) {
      const text = `${head}sources: { a: { type: postgres, url: ${JSON.stringify(url)} } }`;
      assert.doesNotMatch(configurationYaml(understood(text)), /hunt/);
      assert.deepEqual(warningsIn(text), [
        '4:38: sources.a.url: the password stands in the file; say where it is with env:NAME, file:PATH or command:LINE',
      ]);
    }
  });

  it('warns of a source that nothing protects', () => {
    const text = `${head}sources: { a: { type: files, paths: [x] }, b: { type: files, paths: [x] } }\nprotect: [{ sources: a, to: local }]`;
    assert.deepEqual(warningsIn(text), ['4:44: sources.b: no entry of protect names this source']);
  });

  it('names servers as locations with options', () => {
    const { repositories } = understood(`version: 1
repositories:
  nas:
    sftp: { host: nas, user: backup, path: /srv/repo, port: 2222, key: id, key-passphrase: "file:pass", known-hosts: /k }
    append-only: true
    password: env:A
  there: { sftp: { host: nas, path: repo }, password: env:A }
  server: { rest: { url: "https://host:8000/app/", user: app, password: env:REST, connections: 3 }, password: env:A }`);
    const lifecycle = { keepNoncurrentDays: 30, abortUploadsDays: 7 };
    const none = { site: null, removable: false, immutability: null, tiers: [], lifecycle };
    assert.deepEqual(repositories, {
      nas: {
        location: 'sftp://backup@nas:2222//srv/repo',
        options: {
          'sftp.key': '/etc/lifeboat/id',
          'sftp.key-passphrase': 'file:/etc/lifeboat/pass',
          'sftp.known-hosts': '/k',
          'storage.append-only': 'true',
        },
        password: 'env:A',
        ...none,
      },
      there: { location: 'sftp:nas:repo', options: {}, password: 'env:A', ...none },
      server: {
        location: 'rest:https://host:8000/app/',
        options: { 'rest.user': 'app', 'rest.password': 'env:REST', 'rest.connections': '3' },
        password: 'env:A',
        ...none,
      },
    });
  });
});

describe('tiers of a repository', () => {
  const bucket = (more: string): string =>
    `version: 1\nrepositories:\n  cold: { s3: { bucket: b, region: eu-west-1 }, password: env:A, ${more} }`;
  const daily = '{ keep: daily, for: 30d, class: STANDARD }';

  it('are in units of the calendar, and keep old versions as long as Object Lock', () => {
    const { cold } = understood(
      bucket(
        `immutability: { mode: compliance, for: 40d }, tiers: [${daily}, { keep: monthly, for: 18mo, class: GLACIER }]`,
      ),
    ).repositories;
    assert.deepEqual(
      cold?.tiers.map(({ for: { years, months, days } }) => [years, months, days]),
      [
        [0, 0, 30],
        [0, 18, 0],
      ],
    );
    assert.deepEqual(cold?.lifecycle, { keepNoncurrentDays: 40, abortUploadsDays: 7 });
  });

  it('say in which class new objects are stored', () => {
    const first = 'tiers: [{ keep: all, for: 1y, class: STANDARD_IA }]';
    assert.equal(understood(bucket(first)).repositories.cold?.options['s3.storage-class'], 'STANDARD_IA');
    assert.match(
      problemsIn(bucket(`options: { s3.storage-class: GLACIER_IR }, ${first}`)).join(),
      /new objects are stored as GLACIER_IR/,
    );
  });

  it('only get colder and longer, and begin with a class that can be read', () => {
    const wrong: readonly (readonly [string, RegExp])[] = [
      [`[{ keep: daily, for: 30d, class: GLACIER }]`, /the first tier cannot be GLACIER/],
      [`[${daily}, { keep: weekly, for: 4w, class: STANDARD_IA }]`, /expected a longer time/],
      [
        '[{ keep: all, for: 9d, class: STANDARD_IA }, { keep: weekly, for: 1y, class: STANDARD }]',
        /STANDARD is hotter than STANDARD_IA/,
      ],
      ['[{ keep: daily, for: 30m, class: STANDARD }]', /such as 30d, 12w, 18mo \(months\) or 7y/],
    ];
    for (const [tiers, message] of wrong)
      assert.match(problemsIn(bucket(`tiers: ${tiers}`)).join('\n'), message);
  });

  it('need a bucket, and a lifecycle no shorter than Object Lock', () => {
    const local = `version: 1\nrepositories: { a: { path: x, password: env:A, tiers: [${daily}] } }`;
    assert.match(problemsIn(local).join(), /only buckets on S3/);
    const short = bucket('immutability: { mode: compliance, for: 40d }, lifecycle: { keep-noncurrent: 9d }');
    assert.match(problemsIn(short).join(), /at least as long as immutability lasts \(40d\)/);
  });
});

describe('immutability', () => {
  const of = (place: string): string =>
    `version: 1\nrepositories: { a: { ${place}, immutability: { mode: compliance, for: 30d }, password: env:A } }`;

  it('becomes an option of the storage', () => {
    const { a } = understood(of('s3: { bucket: b }')).repositories;
    assert.deepEqual(a?.immutability, { mode: 'compliance', forMs: 30 * 86_400_000 });
    assert.equal(a?.options['s3.retention'], 'compliance:30d');
  });

  it('is for buckets on S3; elsewhere the message names what to use instead', () => {
    for (const [place, instead] of [
      ['path: /srv/repo', 'append-only: true'],
      ['sftp: { host: nas, path: repo }', 'append-only: true'],
      ['rest: { url: "https://host:8000/" }', 'lifeboat serve --append-only'],
      ['path: "sftp:nas:repo"', 'append-only: true'],
    ] as const) {
      const said = problemsIn(of(place)).join();
      assert.match(said, /Object Lock of S3/, place);
      assert.ok(said.includes(instead), said);
    }
    assert.match(problemsIn(of('s3: { bucket: b }').replace('30d', '10ms')).join(), /at least 1s/);
  });
});

describe('a wrong configuration', () => {
  const golden: readonly (readonly [string, string, readonly string[]])[] = [
    ['that is empty', '', ['1:1: expected a mapping that begins with `version: 1`']],
    ['that is a list', '- a', ['1:1: expected a mapping that begins with `version: 1`']],
    ['without a version', 'sources: {}', ['1:1: the version is missing: begin with `version: 1`']],
    [
      'of a later version',
      'version: 2\nnew: x',
      [
        '1:10: version: version 2 is not supported: this version of Lifeboat reads version 1; update Lifeboat',
      ],
    ],
    [
      'whose version is a text',
      'version: "1"',
      ['1:10: version: version "1" is not supported: this version of Lifeboat reads version 1'],
    ],
    ['with a key twice', 'version: 1\nversion: 1', ['2:1: this is not YAML: Map keys must be unique']],
    [
      'with misspelt keys',
      'version: 1\nrepositories:\n  local: { pth: x, pasword: env:X }\nsorces: {}',
      [
        '3:12: repositories.local.pth: unknown key; did you mean path?',
        '3:20: repositories.local.pasword: unknown key; did you mean password?',
        '4:1: sorces: unknown key; did you mean sources?',
      ],
    ],
    [
      'with a key in another spelling',
      `${head}sources:\n  db: { type: postgres, method: physical, journal: { max_lag: 5s, maxLag: 5s, xyzzy: 1 } }`,
      [
        '5:54: sources.db.journal.max_lag: unknown key; did you mean max-lag?',
        '5:67: sources.db.journal.maxLag: unknown key; did you mean max-lag?',
        '5:79: sources.db.journal.xyzzy: unknown key; known here: way, max-lag, slice-size, slot, slot-alarm, proof-timeout',
      ],
    ],
    [
      'with numbers without units',
      `${head}sources:\n  db: { type: postgres, method: physical, journal: { max-lag: 5, slice-size: 16MB } }`,
      [
        '5:63: sources.db.journal.max-lag: expected a duration with its unit, such as 5s, 15m, 4h or 30d',
        '5:78: sources.db.journal.slice-size: expected a size with its unit, such as 512KiB, 16MiB or 1G (1G is 1GiB)',
      ],
    ],
    [
      'with a lag of nothing',
      `${head}sources:\n  db: { type: postgres, method: physical, journal: { max-lag: 0s } }`,
      ['5:63: sources.db.journal.max-lag: expected more than zero'],
    ],
    [
      'with the secret itself',
      'version: 1\nrepositories: { local: { path: x, password: hunter2 } }',
      [
        '2:45: repositories.local.password: expected a reference to a secret, never the secret itself: env:NAME, file:PATH or command:LINE',
      ],
    ],
    [
      'without what is required',
      'version: 1\nrepositories:\n  local: { path: x }\nsources:\n  up: { type: files }',
      [
        '3:3: repositories.local.password: missing: expected a reference to a secret, never the secret itself: env:NAME, file:PATH or command:LINE',
        '5:3: sources.up.paths: missing: expected a list: paths',
      ],
    ],
    [
      'with bad names',
      'version: 1\nrepositories: { Local: { path: x, password: env:X } }',
      [
        '2:17: repositories.Local: expected a name of a-z, 0-9 and -, at most 63 of them, beginning with a letter or digit',
      ],
    ],
    [
      'with names that refer to nothing',
      `${head}sources: { app-db: { type: files, paths: [x] } }\nprotect:\n  - { sources: [app-bd, x], to: lokal }`,
      [
        '6:17: protect[1].sources[1]: no source is named app-bd; did you mean app-db?',
        '6:25: protect[1].sources[2]: no source is named x; there are app-db',
        '6:33: protect[1].to: no repository is named lokal; did you mean local?',
      ],
    ],
    [
      'with copies that go nowhere, or where backups go',
      `${head}sources: { a: { type: files, paths: [x] } }\nprotect:\n  - { sources: a, to: local, copies: [lokal, local] }`,
      [
        '6:30: protect[1].copies: local stands in `to`, where backups go: it cannot be filled by copying as well',
        '6:39: protect[1].copies[1]: no repository is named lokal; did you mean local?',
      ],
    ],
    [
      'with storage that is to come',
      'version: 1\nrepositories: { a: { swift: { container: x }, password: env:X }, b: { path: "sftp:host:/x", password: env:X } }',
      ['2:22: repositories.a.swift: repositories at swift: locations are not supported by this version'],
    ],
    [
      'with a bucket that is none',
      'version: 1\nrepositories: { a: { s3: { bucket: x, prefix: ../y, endpoint: "https://me:secret@host" }, password: env:X } }',
      ['2:63: repositories.a.s3.endpoint: expected a URL such as https://HOST:PORT, without credentials'],
    ],
    [
      'with both a path and a bucket',
      'version: 1\nrepositories: { a: { s3: { bucket: x }, path: y, password: env:X } }',
      ['2:17: repositories.a: expected one of path, s3, sftp, rest, azure and gs'],
    ],
    [
      'with a location that is to come',
      'version: 1\nrepositories: { b: { path: "b2:bucket:/x", password: env:X } }',
      ['2:28: repositories.b.path: repositories at b2: locations are not supported by this version'],
    ],
    [
      'with a server that is none',
      'version: 1\nrepositories: { b: { path: "sftp:host", password: env:X }, c: { rest: { url: "ftp://x" }, password: env:X } }',
      ['2:78: repositories.c.rest.url: expected a URL such as https://HOST:8000/PATH/, without credentials'],
    ],
    [
      'with a location on a server that is none',
      'version: 1\nrepositories: { b: { path: "sftp:host", password: env:X } }',
      ['2:28: repositories.b.path: the location sftp:host cannot be used: host and path are expected'],
    ],
    [
      'with sections that are to come',
      `${head}policies: {}\nnotify: {}\nplans: {}\nprotect: [{ sources: [], to: local, policy: gold }]`,
      [
        '4:1: policies: not supported by this version',
        '5:1: notify: not supported by this version',
        '6:1: plans: not supported by this version',
        '7:13: protect[1].sources: expected a name or a list of names',
        '7:37: protect[1].policy: not supported by this version',
      ],
    ],
    [
      'with types that are not there',
      `${head}sources:\n  a: { type: mysql }\n  b: { type: postgre }\n  c: {}`,
      [
        '5:14: sources.a.type: sources of type mysql are not supported by this version',
        '6:14: sources.b.type: expected type: postgres or type: files',
        '7:3: sources.c.type: missing: expected type: postgres or type: files',
      ],
    ],
    [
      'with keys of the other method',
      `${head}sources:\n  a: { type: postgres, journal: {} }\n  b: { type: postgres, method: physical, databases: all, jobs: 2 }\n  c: { type: postgres, method: physical, way: remote, data-directory: /x }`,
      [
        '5:24: sources.a.journal: journal is only for method: physical, and the method is logical',
        '6:42: sources.b.databases: databases is only for method: logical, and the method is physical',
        '6:58: sources.b.jobs: jobs is only for method: logical, and the method is physical',
        '7:55: sources.c.data-directory: data-directory is only for way: local or auto, and the way is remote',
      ],
    ],
    [
      'with a hook that is neither command nor check',
      `${head}sources:\n  a: { type: postgres, hooks: { before-backup: [{ timeout: 5s }, { command: x, http: "http://x" }] } }`,
      [
        '5:49: sources.a.hooks.before-backup[1]: expected either command or http',
        '5:66: sources.a.hooks.before-backup[2]: expected either command or http',
      ],
    ],
    [
      'with sources and no repository',
      'version: 1\nsources: { a: { type: files, paths: [x] } }',
      ['2:1: sources: there are sources, but no repository to keep them'],
    ],
    [
      'with values of the wrong kind',
      `version: 1\nrepositories: []\nsources:\n  db: { type: postgres, jobs: 0, schema-only: yes, databases: [] }`,
      [
        '2:1: repositories: expected a mapping of names',
        '4:31: sources.db.jobs: expected a whole number from 1 to 64',
        '4:47: sources.db.schema-only: expected true or false',
        '4:52: sources.db.databases: expected a list of databases, or all',
      ],
    ],
  ];
  for (const [name, text, problems] of golden) {
    it(`${name} is refused with every problem in its place`, () => {
      assert.deepEqual(problemsIn(text), problems);
    });
  }

  it('never shows a value that may be a secret', () => {
    const text = `version: 1\nrepositories: { l: { path: x, password: hunter2, pass: hunter2 } }\nsources: { d: { type: postgres, password: hunter2 } }`;
    assert.doesNotMatch(problemsIn(text).join('\n'), /hunter2/);
  });

  it('of any text ends in problems, not in an exception', () => {
    const words = [
      'version: 1',
      'sources:',
      '  a:',
      ' type: postgres',
      '- x',
      '{',
      '}',
      '[',
      ': ',
      '\t',
      '"',
      '&a',
      '*a',
      '\n',
      '<<: *a',
      '!!x',
      '__proto__: {}',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 12 }), fc.boolean(), (parts, lines) => {
        const { configuration, problems } = parseConfiguration(parts.join(lines ? '\n' : ''), place);
        assert.equal(configuration === null, problems.length > 0);
      }),
      { numRuns: 300 },
    );
  });
});
