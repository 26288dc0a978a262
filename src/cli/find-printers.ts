import { type ByteString, bytesOfText } from '../core/bytestring.ts';
import type { FoundObject } from '../engine/find/find-objects.ts';
import { shortId } from '../model/id.ts';
import type { TreeNode } from '../model/node.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';
import type { ByteLines } from './byte-lines.ts';
import { formatLocalTime } from './format.ts';
import { type EntryStyle, entryLine, foundEntryJson, jsonOfBytes, shownName } from './node-output.ts';
import type { Output } from './terminal.ts';

/** The ways in which `find` prints what it finds (restic cmd/restic/cmd_find.go). */
export interface FindPrinter {
  entry(snapshot: StoredSnapshot, path: ByteString, node: TreeNode): Promise<void> | undefined;
  object(snapshot: StoredSnapshot, object: FoundObject): Promise<void> | undefined;
  end(): Promise<void>;
}

export function findTextPrinter(output: Output, lines: ByteLines, style: EntryStyle): FindPrinter {
  let current: StoredSnapshot | null = null;
  return {
    entry(snapshot, path, node) {
      if (snapshot !== current && output.verbosity > 0) {
        const heading = `Found matching entries in snapshot ${shortId(snapshot.id)} from ${formatLocalTime(snapshot.time)}`;
        void lines.line(bytesOfText(current === null ? heading : `\n${heading}`));
      }
      current = snapshot;
      return lines.line(entryLine(path, node, style));
    },
    object({ id, time }, { kind, id: objectId, path, parentTree }) {
      const name = shownName(path, style.quoted);
      const place = kind === 'blob' ? `file ${name}\n     (tree ${parentTree})` : name;
      return lines.line(
        `Found ${kind} ${objectId}\n ... ${kind === 'blob' ? 'in' : 'path'} ${place}\n ... in snapshot ${shortId(id)} (${formatLocalTime(time)})` as ByteString,
      );
    },
    end: () => lines.flush(),
  };
}

/** One JSON list: of snapshots with their matches, or of objects. */
export function findJsonPrinter(lines: ByteLines): FindPrinter {
  let current: StoredSnapshot | null = null;
  let hits = 0;
  let begun = false;
  const opening = (): string => {
    if (begun) return '';
    begun = true;
    return '[';
  };
  const closing = (): string => (current === null ? '' : `],"hits":${hits},"snapshot":"${current.id}"}`);
  return {
    entry(snapshot, path, node) {
      let before = opening();
      if (snapshot !== current) {
        before += current === null ? '' : `${closing()},`;
        before += '{"matches":[';
        current = snapshot;
        hits = 0;
      }
      if (hits++ > 0) before += ',';
      return lines.text((before + foundEntryJson(path, node)) as ByteString);
    },
    object(snapshot, { kind, id, path, parentTree }) {
      const before = opening() + (hits++ > 0 ? ',' : '');
      const parent = parentTree === null ? '' : `,"parent_tree":"${parentTree}"`;
      return lines.text(
        `${before}{"object_type":"${kind}","id":"${id}","path":${jsonOfBytes(path)}${parent},"snapshot":"${snapshot.id}","time":"${snapshot.time}"}` as ByteString,
      );
    },
    async end() {
      await lines.text(`${closing()}${begun ? ']' : '[]'}\n` as ByteString);
      await lines.flush();
    },
  };
}

/** Where the objects found lie, as --show-pack-id tells it. */
export function packLines(kind: FoundObject['kind'], id: FoundObject['id'], packId: string): string[] {
  const type = kind === 'blob' ? 'data' : 'tree';
  return [`Object belongs to pack ${packId}`, ` ... Pack ${packId}: <${type}/${shortId(id)}>`];
}
