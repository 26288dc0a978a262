import { createHash } from 'node:crypto';
import { LifeboatError } from '../../core/errors.ts';
import { findBlob, findFile } from '../../engine/look/find-object.ts';
import { loadNamedSnapshot, selectedTree } from '../../engine/look/find-snapshot.ts';
import { openBlobReader } from '../../repository/blob-reader.ts';
import { encodeConfig } from '../../repository/config.ts';
import { loadIndex } from '../../repository/index/blob-index.ts';
import { keyOf } from '../../repository/layout.ts';
import type { Repository } from '../../repository/repository.ts';
import { defineCommand } from '../command.ts';
import { indentedJson } from '../indented-json.ts';
import { withRepository } from '../session.ts';
import { documentJson } from '../snapshot-json.ts';
import type { Output } from '../terminal.ts';

type Show = (repository: Repository, name: string, output: Output) => Promise<void>;

const showJson = (output: Output, document: Uint8Array): void =>
  output.line(indentedJson(JSON.parse(Buffer.from(document).toString('utf8'))));

/** What can be shown, and how. */
const kinds: Readonly<Record<string, { readonly needsId: boolean; readonly show: Show }>> = {
  config: {
    needsId: false,
    async show({ config }, _name, output) {
      showJson(output, encodeConfig(config));
    },
  },
  masterkey: {
    needsId: false,
    async show({ master }, _name, output) {
      const mac = { k: master.macK.toString('base64'), r: master.macR.toString('base64') };
      output.line(indentedJson({ mac, encrypt: master.encryption.toString('base64') }));
    },
  },
  index: {
    needsId: true,
    async show(repository, name, output) {
      const document = await repository.files.load('index', await findFile(repository, 'index', name));
      output.line(Buffer.from(document).toString('utf8').trimEnd());
    },
  },
  snapshot: {
    needsId: true,
    async show(repository, name, output) {
      const { snapshot } = await loadNamedSnapshot(repository, name);
      output.line(indentedJson(JSON.parse(documentJson(snapshot))));
    },
  },
  key: {
    needsId: true,
    async show(repository, name, output) {
      showJson(
        output,
        await repository.storage.load(keyOf('keys', await findFile(repository, 'keys', name))),
      );
    },
  },
  lock: {
    needsId: true,
    async show(repository, name, output) {
      showJson(output, await repository.files.load('locks', await findFile(repository, 'locks', name)));
    },
  },
  pack: {
    needsId: true,
    async show(repository, name, output) {
      const id = await findFile(repository, 'data', name);
      const bytes = await repository.storage.load(keyOf('data', id));
      const hash = createHash('sha256').update(bytes).digest('hex');
      if (hash !== id) output.warn(`pack ${id} is damaged: its content hashes to ${hash}`);
      await output.write(bytes);
    },
  },
  blob: {
    needsId: true,
    async show(repository, name, output) {
      const index = await loadIndex(repository);
      const { type, id } = findBlob(index, name);
      await output.write(await openBlobReader(repository, index).loadBlob(type, id));
    },
  },
  tree: {
    needsId: true,
    async show(repository, name, output) {
      const selected = await loadNamedSnapshot(repository, name);
      const reader = openBlobReader(repository, await loadIndex(repository));
      await output.write(await reader.loadBlob('tree', await selectedTree(reader, selected)));
    },
  },
};

const kindNames = Object.keys(kinds).join(', ');

export const command = defineCommand({
  name: 'cat',
  usage: 'cat config | masterkey | KIND ID | tree SNAPSHOT[:SUBFOLDER]',
  description: `
    Shows what the repository is made of, decrypted: ${kindNames}. An ID may be shortened as long as it is
    unique. Packs, blobs and trees are written as the bytes that they are.`,
  positionals: { min: 1, max: 2 },
  options: {},
  examples: [
    { command: 'lifeboat cat snapshot latest', explains: 'the facts of the newest snapshot' },
    { command: 'lifeboat cat tree latest:/etc', explains: 'a folder as it is stored' },
    { command: 'lifeboat cat masterkey', explains: 'the key that opens everything: keep it secret' },
  ],
  async run(context) {
    const [name = '', id] = context.args;
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) {
      throw new LifeboatError('usage', `cat cannot show ${JSON.stringify(name)}; it shows ${kindNames}`);
    }
    if (kind.needsId && id === undefined)
      throw new LifeboatError('usage', `cat ${name} needs ${name === 'tree' ? 'a snapshot' : 'an ID'}`);
    await withRepository(context, 'shared', (repository) => kind.show(repository, id ?? '', context.output));
    return 0;
  },
});
