/**
 * Builds dist/ from the sources: the WASM kernels and the bundled program. Runs on Node 18 and newer,
 * because `npm ci` calls it with whichever Node the machine has.
 *
 * Everything is built in a folder beside dist/ and moved over file by file, so that a process that is
 * starting from dist/ at this moment never meets half a build.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const staging = join(root, `dist.${process.pid}`);

const programs = [
  { out: 'lifeboat', source: 'src/cli/main.ts' },
  { out: 'worker', source: 'src/repository/workers/worker.ts' },
  { out: 'archive-worker', source: 'src/app/archive-worker.ts' },
];

class BuildError extends Error {}

/** Loads a development dependency, or says what is missing. */
async function tool(name) {
  try {
    return await import(name);
  } catch (cause) {
    if (cause.code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new BuildError(`${name} is not installed; run 'npm ci' with development dependencies`);
  }
}

/** Compiles assembly/ and returns the names of the files that are now in dist/. */
async function buildKernels() {
  const source = 'assembly/index.ts';
  if (!existsSync(join(root, source)))
    throw new BuildError(`${source} is missing; the kernels cannot be compiled`);
  const { default: asc } = await tool('assemblyscript/asc');
  const argv = [
    '--config',
    'assembly/asconfig.json',
    '--baseDir',
    root,
    '--outFile',
    join(staging, 'kernels.wasm'),
  ];
  const { error, stderr } = await asc.main(argv);
  const messages = stderr.toString();
  if (messages) process.stderr.write(messages);
  if (error) throw new BuildError(`assembly/ does not compile: ${error.message}`);
  await moveIntoPlace(['kernels.wasm']);
  return ['kernels.wasm'];
}

/**
 * Has Node's HTTP modules required, whoever imports them: as the namespace of an import each of their properties is
 * looked at, and one of those loads a WebSocket client, which takes longer than a request does.
 */
const requiredHttp = {
  name: 'required-http',
  setup(building) {
    building.onResolve({ filter: /^(?:node:)?https?$/ }, ({ path, kind }) =>
      kind === 'require-call'
        ? { path, external: true }
        : { path: path.replace(/^(?:node:)?/, 'node:'), namespace: 'required' },
    );
    building.onLoad({ filter: /./, namespace: 'required' }, async ({ path }) => {
      const properties = Object.entries(Object.getOwnPropertyDescriptors((await import(path)).default));
      const names = properties.filter(([, { value }]) => value !== undefined).map(([name]) => name);
      return {
        contents: `const module = require('${path}');\nexport default module;\nexport const { ${names.join(', ')} } = module;`,
      };
    });
  },
};

/** Bundles src/ and returns the names of the files that are now in dist/. */
async function bundlePrograms(version) {
  const present = programs.filter(({ source }) => existsSync(join(root, source)));
  for (const { source } of programs.filter((program) => !present.includes(program))) {
    console.error(`build: ${source} does not exist yet, skipped`);
  }
  if (present.length === 0) return [];
  const esbuild = await tool('esbuild');
  const bundling = esbuild.build({
    absWorkingDir: root,
    entryPoints: present.map(({ out, source }) => ({ out, in: join(root, source) })),
    outdir: staging,
    bundle: true,
    splitting: true,
    format: 'esm',
    // Of modules in both forms the one whose unused parts can be left out.
    mainFields: ['module', 'main'],
    platform: 'node',
    target: 'node26',
    chunkNames: 'chunk-[hash]',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    // Dependencies in CommonJS ask for Node's own modules with require, and where they are; some declare these themselves.
    banner: {
      js: "import{createRequire as requireFor}from'node:module';var require=requireFor(import.meta.url),__dirname=import.meta.dirname,__filename=import.meta.filename;",
    },
    logLevel: 'warning',
    // ssh2 asks for native modules of its own and does without them.
    external: ['*.node', 'cpu-features'],
    define: { LIFEBOAT_BUNDLED: 'true', LIFEBOAT_VERSION: JSON.stringify(version) },
    plugins: [requiredHttp],
  });
  await bundling.catch(() => {
    // esbuild has printed each error with its place.
    throw new BuildError('src/ cannot be bundled');
  });
  const built = (await readdir(staging)).filter((name) => name.endsWith('.js'));
  const isProgram = (name) => programs.some(({ out }) => name === `${out}.js`);
  // A program in place must find its chunks, so these come first.
  const ordered = [...built.filter((name) => !isProgram(name)), ...built.filter(isProgram)];
  await moveIntoPlace(ordered);
  return ordered;
}

async function moveIntoPlace(names) {
  await mkdir(dist, { recursive: true });
  for (const name of names) await rename(join(staging, name), join(dist, name));
}

/** Removes what earlier builds left and this one does not need. */
async function removeStale(current) {
  for (const name of await readdir(dist)) {
    if (!current.includes(name)) await rm(join(dist, name), { recursive: true, force: true });
  }
}

/**
 * Two links that `npx lifeboat` and `npm run` need and npm does not make: the package's own command (npm
 * links those of dependencies), and `node` (npm 10 removes that link again together with the runtimes of
 * the other platforms, whose command has the same name).
 */
async function linkCommands(bin, runtimes) {
  const modules = join(root, 'node_modules');
  if (!existsSync(join(modules, '.bin'))) return;
  const targets = Object.entries(bin).map(([name, path]) => [name, join('..', path)]);
  const runtime = runtimes.find((name) => existsSync(join(modules, name, 'bin', 'node')));
  if (runtime !== undefined) targets.push(['node', join(runtime, 'bin', 'node')]);
  for (const [name, target] of targets) {
    const fresh = join(modules, '.bin', `.${name}.${process.pid}`);
    await symlink(join('..', target), fresh);
    await rename(fresh, join(modules, '.bin', name));
  }
}

try {
  const { version, bin, optionalDependencies } = JSON.parse(
    await readFile(join(root, 'package.json'), 'utf8'),
  );
  await mkdir(staging, { recursive: true });
  await linkCommands(bin, Object.keys(optionalDependencies));
  const kernels = await buildKernels();
  await removeStale([...kernels, ...(await bundlePrograms(version))]);
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(`build: ${error.message}`);
  process.exitCode = 1;
} finally {
  await rm(staging, { recursive: true, force: true });
}
