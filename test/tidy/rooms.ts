/**
 * Who may import whom. A room may import itself, `core`, `model` (core only itself) and the rooms listed
 * here; docs/ARCHITECTURE.md has the picture.
 */
export const mayImport: Readonly<Record<string, readonly string[]>> = {
  core: [],
  model: [],
  kernels: [],
  transport: [],
  policy: [],
  storage: ['transport'],
  sources: ['transport'],
  repository: ['kernels', 'storage'],
  journal: ['storage'],
  monitoring: ['transport'],
  compliance: ['storage'],
  strategy: ['policy'],
  engine: ['repository', 'journal', 'sources', 'policy'],
  verify: ['engine'],
  recovery: ['verify'],
  app: [
    'kernels',
    'transport',
    'policy',
    'storage',
    'sources',
    'repository',
    'journal',
    'monitoring',
    'compliance',
    'strategy',
    'engine',
    'verify',
    'recovery',
  ],
  control: ['app'],
  cli: ['app', 'repository', 'engine', 'verify', 'recovery', 'policy'],
};

/** Rooms whose folders are drivers, which never import each other. */
export const roomsOfDrivers: readonly string[] = ['storage', 'sources'];

/** The room of a path such as `src/model/id.ts`. */
export function roomOf(path: string): string {
  return path.split('/')[1] ?? '';
}

/** The driver that a file belongs to, or null for the room's own files. */
export function driverOf(path: string): string | null {
  const parts = path.split('/');
  return roomsOfDrivers.includes(parts[1] ?? '') && parts.length > 3 ? (parts[2] ?? null) : null;
}

/** Why a file may not import another, or null where it may. Both are paths under `src/`. */
export function objection(importer: string, imported: string): string | null {
  const from = roomOf(importer);
  const to = roomOf(imported);
  if (from !== to) {
    const allowed = from === 'core' ? [] : ['core', 'model', ...(mayImport[from] ?? [])];
    const open = from === 'model' ? ['core'] : allowed;
    return open.includes(to) ? null : `${from} may not import ${to}`;
  }
  const driver = driverOf(importer);
  const other = driverOf(imported);
  return driver !== null && other !== null && driver !== other
    ? `the driver ${driver} may not import its sibling ${other}`
    : null;
}
