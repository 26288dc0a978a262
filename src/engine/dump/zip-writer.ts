import { Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import { type ByteString, toBuffer, toText } from '../../core/bytestring.ts';
import { statModeOfGo } from '../../model/mode.ts';
import type { TreeNode } from '../../model/node.ts';
import { parseTime } from '../../model/time.ts';
import type { ArchiveWriter, Content } from './archive-writer.ts';
import type { ByteSink } from './byte-sink.ts';

/** Writes a zip archive: files deflated, symlinks with their target as content, zip64 where it must be. */
export function createZipWriter(sink: ByteSink): ArchiveWriter {
  const zip = new ZipFile();
  let fail: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {
    // Whoever waits for an entry or the end gets it.
  });
  zip.on('error', fail);
  const written = (async () => {
    for await (const chunk of zip.outputStream) await sink.write(chunk as Buffer);
  })();
  written.catch(fail);

  async function addFile(name: string, node: TreeNode, content: Content): Promise<void> {
    const stream = Readable.from(content, { objectMode: false });
    const ended = new Promise<void>((resolve, reject) => {
      stream.once('close', resolve).once('error', reject);
    });
    zip.addReadStream(stream, name, { ...factsOf(node), compress: true, size: Number(node.size ?? 0) });
    await Promise.race([ended, failed]);
  }

  return {
    async add(path, node, content) {
      const name = zipName(path);
      if (node.type === 'dir') zip.addEmptyDirectory(name, factsOf(node));
      else if (node.type === 'symlink') {
        const target = toBuffer(node.linktarget ?? ('' as ByteString));
        zip.addBuffer(target, name, { ...factsOf(node), compress: false });
      } else await addFile(name, node, content);
    },
    async end() {
      zip.end();
      await Promise.race([written, failed]);
    },
  };
}

/** Times in zip are seconds since 1970 in 31 bits; what lies outside takes the nearest. */
const timeSecondsMax = 2 ** 31 - 1;

function factsOf(node: TreeNode): { mtime: Date; mode: number } {
  const seconds = Math.min(Math.max(parseTime(node.mtime).seconds, 0), timeSecondsMax);
  return { mtime: new Date(seconds * 1000), mode: statModeOfGo(node.mode) };
}

/** Zip knows text and slashes only: a backslash in a name would divide it, a colon could name a drive. */
function zipName(path: ByteString): string {
  const name = toText(path).replaceAll('\\', '_');
  return /^[a-z]:/i.test(name) ? `./${name}` : name;
}
