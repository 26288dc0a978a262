import { parentPort } from 'node:worker_threads';
import { LifeboatError, messageOf } from '../../core/errors.ts';
import { createEnvelopeCodec } from '../envelope-codec.ts';
import { openTable } from '../index/table.ts';
import { createBlobEncoder } from './blob-encoder.ts';
import { createPackCheck } from './check-pack.ts';
import { createFileComparer } from './compare-files.ts';
import { markTrees } from './mark-trees.ts';
import { createPacker } from './packer.ts';
import type { JobMessage, JobName, Jobs, WorkerMessage, WorkerSetup } from './protocol.ts';
import { createFileReader } from './read-files.ts';
import { createPageReader } from './read-pages.ts';
import { createFileRestorer } from './restore-files.ts';
import { createDecoders, sealerOf, transferBlobs } from './transfer.ts';

/** A worker thread: its first message is its setup; then it takes one job after the other, each done synchronously, and answers. */

type Handlers = { [N in JobName]: (input: Jobs[N]['input']) => Jobs[N]['output'] };

const port = parentPort!;
const send = (message: WorkerMessage): void => port.postMessage(message);

/** Handed over without the main thread having to copy it. */
function inSharedMemory(bytes: Uint8Array): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  return shared;
}

function createHandlers(setup: WorkerSetup): Handlers {
  const sealer = sealerOf(setup.key);
  const table = openTable(setup.table);
  const control = new Int32Array(setup.shared.control);
  const progressBytes = new Float64Array(setup.shared.progress);
  const progress = (bytes: number): void => {
    progressBytes[setup.number]! += bytes;
  };
  const packer = createPacker(sealer, setup.packBytes, send, setup.packsUnderWay);
  const encoder = createBlobEncoder(sealer, packer, setup.version, setup.compression);
  const reader = createFileReader(table, encoder, setup.polynomial, control, progress);
  const readPages = createPageReader(table, encoder, control, progress);
  const checkPack = createPackCheck({ sealer, table, progress });
  const restorer = createFileRestorer(sealer, control, progress);
  const comparer = createFileComparer(control);
  const envelope = createEnvelopeCodec(sealer);
  const decoderOf = createDecoders(sealer);
  return {
    files: reader.files,
    pages: (input) => readPages(input),
    scan: ({ path, start, bytesMax, end }) => reader.scan(path, start, bytesMax, end),
    chunks: ({ path, cuts }) => reader.chunks(path, cuts),
    data: ({ bytes }) => reader.data(bytes),
    blobs({ items }) {
      const sizes = Float64Array.from(items, ({ type, id, entry, bytes }) =>
        encoder.store(type, id, entry, bytes, null),
      );
      return {
        blobs: items.length,
        bytes: items.reduce((sum, { bytes }) => sum + bytes.length, 0),
        packedBytes: sizes.reduce((sum, size) => sum + size, 0),
        sizes,
      };
    },
    transfer: (input) => transferBlobs({ decoderOf, table, encoder }, input),
    markTrees: (input) => markTrees(table, decoderOf, input),
    checkPack: (input) => checkPack(input),
    restore: restorer.restore,
    closeRestored() {
      restorer.close();
      return null;
    },
    compareFiles: ({ items }) => items.map(comparer),
    seal: ({ plain }) => inSharedMemory(envelope.seal(plain)),
    open: ({ stored, name }) => inSharedMemory(envelope.open(stored, name)),
    flush() {
      packer.flush();
      return null;
    },
  };
}

port.once('message', (setup: WorkerSetup) => {
  const handlers = createHandlers(setup);
  port.on('message', (message: JobMessage) => answer(handlers, message));
});

function answer(handlers: Handlers, { job, name, input }: JobMessage): void {
  try {
    const handle = handlers[name as JobName] as (input: unknown) => unknown;
    send({ kind: 'done', job, output: handle(input) });
  } catch (error) {
    const known = error instanceof LifeboatError;
    send({
      kind: 'failed',
      job,
      message: messageOf(error),
      code: known ? error.code : 'internal',
      hint: known ? error.hint : null,
      stack: error instanceof Error ? (error.stack ?? '') : '',
    });
  }
}
