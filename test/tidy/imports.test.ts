import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { driverOf, mayImport, objection, roomOf } from './rooms.ts';
import { importsOf, root, sourceFiles } from './sources.ts';

const files = sourceFiles();
const imports = files.flatMap((file) => importsOf(file).map((imported) => ({ file: file.path, imported })));
const inside = imports.filter(({ imported }) => imported.startsWith('src/'));

describe('imports', () => {
  test('every file of src is in a room of the table', () => {
    const strangers = files.map(({ path }) => path).filter((path) => !(roomOf(path) in mayImport));
    assert.deepEqual(strangers, []);
  });

  test('a room imports only the rooms below it', () => {
    const broken = inside.flatMap(({ file, imported }) => {
      const reason = objection(file, imported);
      return reason === null ? [] : [`${file} imports ${imported}: ${reason}`];
    });
    assert.deepEqual(broken, []);
  });

  test('every relative import names a file with its extension', () => {
    const absent = inside.filter(({ imported }) => !existsSync(join(root, imported)));
    assert.deepEqual(absent, []);
    const outside = imports.filter(({ imported }) =>
      /^(?!src\/|node:)(\.\.|assembly|test|bench)/.test(imported),
    );
    assert.deepEqual(outside, []);
  });

  test('files do not import each other in a circle as they start', () => {
    // Types vanish and lazy imports run later; neither makes a file wait for itself.
    const harmless = /(?:import|export) type [^;]*?from\s*['"][^'"]+['"];?|\bimport\(/g;
    const edges = new Map(
      files.map(({ path, text }) => [path, importsOf({ path, text: text.replace(harmless, '') })]),
    );
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) circles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      if (done.has(path)) return;
      done.add(path);
      for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    };
    for (const path of edges.keys()) visit(path, []);
    assert.deepEqual(circles, []);
  });

  test('no file does nothing but export others', () => {
    const barrels = files.filter(({ text }) => {
      const statements = text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '').trim();
      return statements !== '' && /^(export\s[^;]*from\s*['"][^'"]+['"];\s*)+$/.test(statements);
    });
    assert.deepEqual(
      barrels.map(({ path }) => path),
      [],
    );
  });
});

describe('the import table', () => {
  test('core and model are open to every room, but not the other way round', () => {
    assert.equal(objection('src/cli/main.ts', 'src/core/errors.ts'), null);
    assert.equal(objection('src/model/id.ts', 'src/core/errors.ts'), null);
    assert.equal(objection('src/core/a.ts', 'src/model/id.ts'), 'core may not import model');
    assert.equal(objection('src/model/a.ts', 'src/kernels/b.ts'), 'model may not import kernels');
  });

  test('sources and repository do not know each other', () => {
    assert.equal(objection('src/sources/a.ts', 'src/repository/b.ts'), 'sources may not import repository');
    assert.equal(objection('src/sources/a.ts', 'src/storage/b.ts'), 'sources may not import storage');
    assert.equal(objection('src/repository/a.ts', 'src/sources/b.ts'), 'repository may not import sources');
    assert.equal(objection('src/engine/a.ts', 'src/sources/b.ts'), null);
  });

  test('a driver does not import its sibling, but its room', () => {
    assert.equal(
      objection('src/storage/s3/s3.ts', 'src/storage/local/local.ts'),
      'the driver s3 may not import its sibling local',
    );
    assert.equal(objection('src/storage/s3/s3.ts', 'src/storage/storage.ts'), null);
    assert.equal(driverOf('src/repository/index/codec.ts'), null);
  });

  test('imports are found however they are written', () => {
    const text = [
      "import { a } from './a.ts';",
      "import type { b } from '../model/b.ts';",
      "import {\n  c,\n} from './c.ts';",
      "import 'node:fs';",
      "export { d } from './d.ts';",
      "const e = await import('./e.ts');",
      "const f = new URL('./f.ts', import.meta.url);",
      "/* import { no } from './no.ts'; */",
    ].join('\n');
    assert.deepEqual(importsOf({ path: 'src/core/x.ts', text }), [
      'src/core/a.ts',
      'src/model/b.ts',
      'src/core/c.ts',
      'node:fs',
      'src/core/d.ts',
      'src/core/e.ts',
      'src/core/f.ts',
    ]);
  });
});
