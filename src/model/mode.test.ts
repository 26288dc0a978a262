import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatGoMode,
  goModeOfStat,
  permissionsOfGoMode,
  statModeOfGo,
  typeOfGoMode,
  typeOfStatMode,
} from './mode.ts';

/** Made with Go 1.26: os.FileMode.String. */
const written: readonly (readonly [number, string])[] = [
  [0x1a4, '-rw-r--r--'],
  [0x800001ed, 'drwxr-xr-x'],
  [0x80001ff, 'Lrwxrwxrwx'],
  [0x4200190, 'Dcrw--w----'],
  [0x40001b0, 'Drw-rw----'],
  [0x20001a4, 'prw-r--r--'],
  [0x10001ed, 'Srwxr-xr-x'],
  [0x9ed, '-rwxr-xr-x'],
  [0xd001ed, 'ugtrwxr-xr-x'],
  [0x80000, '?---------'],
  [0x0, '----------'],
];

test('modes are printed as Go prints them', () => {
  for (const [mode, text] of written) assert.equal(formatGoMode(mode), text);
});

test('every kind of st_mode goes to Go and back', () => {
  const kinds = { file: 0o10, dir: 0o04, symlink: 0o12, dev: 0o06, chardev: 0o02, fifo: 0o01, socket: 0o14 };
  for (const [type, bits] of Object.entries(kinds)) {
    for (const permissions of [0, 0o644, 0o7777, 0o4755, 0o2750, 0o1777]) {
      const stat = bits * 0o10000 + permissions;
      assert.equal(typeOfStatMode(stat), type);
      assert.equal(typeOfGoMode(goModeOfStat(stat)), type);
      assert.equal(statModeOfGo(goModeOfStat(stat)), stat);
      assert.equal(permissionsOfGoMode(goModeOfStat(stat)), permissions);
    }
  }
});

test('Go modes that Unix has no kind for are told apart', () => {
  assert.equal(typeOfGoMode(0x80000), 'irregular');
  assert.equal(typeOfGoMode(0x80000000 + 0x08000000), '');
});
