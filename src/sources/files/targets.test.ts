import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bytesOfText } from '../../core/bytestring.ts';
import { cleanPath, type TargetTree, targetTree } from './targets.ts';

function shape(tree: TargetTree): unknown {
  if (tree.path !== null) return tree.path;
  return Object.fromEntries([...tree.nodes].map(([name, child]) => [name, shape(child)]));
}

test('paths are cleaned as Go cleans them', () => {
  for (const [path, clean] of [
    ['', '.'],
    ['/', '/'],
    ['a//b/./c/..', 'a/b'],
    ['../x', '../x'],
    ['/../x', '/x'],
    ['a/..', '.'],
    ['./a/', 'a'],
  ])
    assert.equal(cleanPath(bytesOfText(path!)), clean);
});

test('absolute paths keep their folders, relative ones lose their dots', () => {
  assert.deepEqual(
    shape(targetTree(['/srv/app/data', '/srv/app/logs', 'here/there', '../up'].map(bytesOfText))),
    {
      srv: { app: { data: '/srv/app/data', logs: '/srv/app/logs' } },
      here: { there: 'here/there' },
      up: '../up',
    },
  );
});

test('equal names from different folders are told apart', () => {
  assert.deepEqual(shape(targetTree(['work', '../work', '/work'].map(bytesOfText))), {
    work: 'work',
    'work-1': '../work',
    'work-2': '/work',
  });
});

test('a target below another target is saved once', () => {
  const folder = mkdtempSync(join(tmpdir(), 'targets-'));
  try {
    mkdirSync(join(folder, 'a/b'), { recursive: true });
    writeFileSync(join(folder, 'a/x'), '');
    const at = (path: string) => bytesOfText(join(folder, path));
    let tree: unknown = shape(targetTree([at('a'), at('a/b')]));
    for (const part of folder.slice(1).split('/')) tree = (tree as Record<string, unknown>)[part];
    assert.deepEqual(tree, { a: { b: at('a/b'), x: at('a/x') } });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
