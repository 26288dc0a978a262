import { Readable } from 'node:stream';
import { makeImportScratch } from '../../app/import-scratch.ts';
import { LifeboatError } from '../../core/errors.ts';
import { type ByteInput, openFileInput, streamInput } from '../../engine/import/byte-input.ts';
import { type ImportRequest, importExport } from '../../engine/import/import.ts';
import { lookAt, lookAtFile } from '../../engine/import/look.ts';
import { orderVolumes } from '../../engine/import/volume-files.ts';
import { openRepository, type Repository } from '../../repository/repository.ts';
import type { Compression } from '../../repository/workers/protocol.ts';
import { warmThreads } from '../../repository/workers/threads.ts';
import { showCheckProgress } from '../check-progress.ts';
import { type CommandContext, defineCommand } from '../command.ts';
import { optionalConfiguration } from '../configured.ts';
import { fromOptions, namingFromPassword } from '../from-repository.ts';
import { printImportReport, printLook, printStart } from '../import-printer.ts';
import { flag, text } from '../options.ts';
import { passwordFromSources, resolvePassword } from '../password.ts';
import { type Counter, type Progress, showCounter } from '../progress.ts';
import { openSession, withSessionLock } from '../session.ts';

const stdinName = 'standard input';
const { 'from-password-file': fromPasswordFile, 'from-password-command': fromPasswordCommand } = fromOptions;
const { 'from-key-hint': fromKeyHint, 'from-insecure-no-password': fromInsecureNoPassword } = fromOptions;

export const command = defineCommand({
  name: 'import',
  usage: 'import [OPTION]... FILE... | -',
  description: `
    Brings snapshots from the volumes of an export into this repository. Files may be given in any order; with - the
    volumes are read from standard input in theirs, and from a tape drive as they come.

    Everything is verified before a snapshot is visible: that no volume is missing or of another export, the hash of every
    file, the index against the packs, and that every folder and file of each snapshot can be found. What is here already is
    not stored again. Where the export has the key of this repository no other password is needed.`,
  positionals: { min: 1, max: Number.POSITIVE_INFINITY },
  options: {
    'from-password-file': { ...fromPasswordFile, help: "read the export's password from this file" },
    'from-password-command': {
      ...fromPasswordCommand,
      help: "run this command and take what it prints as the export's password",
    },
    'from-key-hint': fromKeyHint,
    'from-insecure-no-password': {
      ...fromInsecureNoPassword,
      help: 'the export has an empty password (insecure)',
    },
    list: flag({ help: 'only tell which export and which volume each file is, and what is in it' }),
    'verify-only': flag({ help: 'read and verify everything, and import nothing' }),
    scratch: text({
      placeholder: 'FOLDER',
      help: 'keep here what comes from a stream and is needed again (default: where temporary files go)',
    }),
  },
  examples: [
    { command: 'lifeboat import /media/usb/backup-*.tar', explains: 'all volumes of an export' },
    { command: 'lifeboat import --verify-only /media/usb/backup.tar', explains: 'would it work?' },
    { command: 'lifeboat import /dev/nst0', explains: 'from a tape' },
  ],
  documentation: 'docs/export.md',
  async run(context) {
    const { options, args } = context;
    if (args.includes('-') && args.length > 1)
      throw new LifeboatError(
        'usage',
        '- stands for all volumes on standard input, and no file can be given with it',
      );
    if (options.list && options.verifyOnly)
      throw new LifeboatError(
        'usage',
        '--list and --verify-only exclude each other; --verify-only tells more',
      );
    const password = passwordOfExport(context, options);
    return options.list
      ? listVolumes(context, args, password)
      : importVolumes(context, options, args, password);
  },
});

interface Values {
  readonly fromPasswordFile: string | undefined;
  readonly fromPasswordCommand: string | undefined;
  readonly fromKeyHint: string | undefined;
  readonly fromInsecureNoPassword: boolean;
  readonly verifyOnly: boolean;
  readonly scratch: string | undefined;
}

interface ExportPassword {
  /** null where none was given. */
  given(): Promise<string | null>;
  open(storage: Repository['storage'], password: string): Promise<Repository>;
  /** Asks where somebody can answer. @throws LifeboatError `export-key-missing`. */
  ask(why: string): Promise<string>;
}

function passwordOfExport(context: CommandContext, values: Values): ExportPassword {
  const sources = {
    passwordFile: values.fromPasswordFile,
    passwordCommand: values.fromPasswordCommand,
    insecureNoPassword: values.fromInsecureNoPassword,
    variables: ['LIFEBOAT_FROM_PASSWORD', 'RESTIC_FROM_PASSWORD'],
  };
  let known: Promise<string | null> | undefined;
  return {
    given: () => (known ??= passwordFromSources(sources, context)),
    open: (storage, password) =>
      namingFromPassword(openRepository(storage, password, { keyHint: values.fromKeyHint })),
    async ask(why) {
      if (context.stdin.isTTY && !context.args.includes('-'))
        return resolvePassword(sources, context, 'enter password of the export: ');
      throw new LifeboatError('export-key-missing', why);
    },
  };
}

async function listVolumes(
  { output, env, stdin }: CommandContext,
  paths: readonly string[],
  password: ExportPassword,
): Promise<number> {
  const given = await password.given();
  for (const path of paths) {
    const look = await (path === '-' ? lookAt(streamInput(stdinName, stdin)) : lookAtFile(path));
    const repository = look.start && given !== null ? await password.open(look.start.storage, given) : null;
    printLook(output, look, repository, env);
  }
  return 0;
}

async function importVolumes(
  context: CommandContext,
  options: Values,
  args: readonly string[],
  password: ExportPassword,
): Promise<number> {
  const { global, output } = context;
  const isStream = args[0] === '-';
  // What is missing or foreign is told before a password is asked for.
  const inputs = isStream ? null : await orderedInputs(args);
  const nextInput = inputs === null ? once(() => streamInput(stdinName, context.stdin)) : inputs.next;
  const canReadAgain = inputs?.canReadAgain ?? false;
  const request = (destination: Repository | null, signal: AbortSignal): ImportRequest => ({
    ...{ nextInput, canReadAgain, destination, signal },
    verifyOnly: options.verifyOnly,
    async openWithPassword(storage) {
      const why =
        destination === null
          ? 'to verify an export takes its password, or the repository that it is from'
          : `the export has another key than ${destination.storage.location}, so its own password is needed`;
      return password.open(storage, (await password.given()) ?? (await password.ask(why)));
    },
    makeScratch: (bytes) => makeImportScratch(bytes, options.scratch),
    compression: global.compression as Compression,
    packBytes: global.packBytes,
  });
  // Standard input belongs to the export then: a password is not to be looked for in it.
  const opening = isStream ? { ...context, stdin: Readable.from([]) as NodeJS.ReadStream } : context;
  if (options.verifyOnly && ((await password.given()) !== null || !(await namesRepository(context))))
    return runImport(context, request(null, context.signal));
  warmThreads();
  const destination = await openSession(opening, options.verifyOnly);
  if (options.verifyOnly) return runImport(context, request(destination, context.signal));
  // The lock is what keeps packs without an index from being pruned meanwhile: --no-lock is not for it.
  const locked = { ...opening, global: { ...global, noLock: false } };
  return withSessionLock(locked, destination, 'shared', async (signal) => {
    const status = await runImport(context, request(destination, signal));
    output.flush();
    return status;
  });
}

async function namesRepository(context: CommandContext): Promise<boolean> {
  const { repository, repositoryFile } = context.global;
  if (repository !== undefined || repositoryFile !== undefined) return true;
  const configuration = await optionalConfiguration(context);
  return Object.keys(configuration?.repositories ?? {}).length === 1;
}

interface OrderedInputs {
  readonly canReadAgain: boolean;
  next(): Promise<ByteInput | null>;
}

async function orderedInputs(paths: readonly string[]): Promise<OrderedInputs> {
  const { ordered, canReadAgain } = await orderVolumes(paths);
  let next = 0;
  return {
    canReadAgain,
    next: async () => (next < ordered.length ? openFileInput(ordered[next++]!) : null),
  };
}

function once(open: () => ByteInput): () => Promise<ByteInput | null> {
  let opened = false;
  return async () => {
    if (opened) return null;
    opened = true;
    return open();
  };
}

async function runImport({ output, env }: CommandContext, request: ImportRequest): Promise<number> {
  let progress: Progress | undefined;
  let counter: Counter | undefined;
  let packsDone = 0;
  let bytesDone = 0;
  try {
    const report = await importExport({
      ...request,
      events: {
        onStart(manifest, mode) {
          printStart(output, manifest, mode);
          const { packs, bytes } = manifest.expected;
          progress = showCheckProgress(output, env, () => ({
            packsDone,
            packsTotal: Math.max(packs, packsDone),
            bytesDone,
            bytesTotal: Math.max(bytes, bytesDone),
          }));
        },
        onProgress(packs, bytes) {
          packsDone = packs;
          bytesDone = bytes;
        },
        onRead() {
          progress?.stop();
          output.info(
            'every volume and file is what it should be; following the snapshots through their folders',
          );
        },
        onPacks(total) {
          counter = showCounter(output, env, 'packs encrypted anew', total);
        },
        onPack: () => counter?.add(1),
        onPacksEnd: () => counter?.stop(),
      },
    });
    printImportReport(output, report);
    return 0;
  } finally {
    progress?.stop();
    counter?.stop();
  }
}
