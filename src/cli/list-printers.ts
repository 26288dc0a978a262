import { type ByteString, bytesOfText, toText } from '../core/bytestring.ts';
import type { ListSink } from '../engine/look/list-folders.ts';
import { type Entry, type SortOrder, sortEntries } from '../engine/look/sort-entries.ts';
import { shortId } from '../model/id.ts';
import type { Rfc3339 } from '../model/node.ts';
import type { StoredSnapshot } from '../model/snapshot.ts';
import type { ByteLines } from './byte-lines.ts';
import { type EntryStyle, entryJson, entryLine, ncduJson } from './node-output.ts';
import { documentJson, snapshotJson } from './snapshot-json.ts';
import type { Output } from './terminal.ts';

/** The ways in which `ls` prints what it finds. */
export interface ListPrinter extends ListSink {
  begin(snapshot: StoredSnapshot): void;
  end(): Promise<void>;
}

export function textPrinter(
  output: Output,
  lines: ByteLines,
  folders: readonly ByteString[],
  style: EntryStyle,
): ListPrinter {
  return {
    begin({ id, paths, time, username = '', hostname = '' }) {
      const filtered = folders.map((folder) => toText(folder)).join(' ');
      output.info(
        `snapshot ${shortId(id)} of [${paths.join(' ')}] at ${goTime(time)} by ${username}@${hostname} filtered by [${filtered}]:`,
      );
    },
    entry: (path, node, onTheWay) => (onTheWay ? undefined : lines.line(entryLine(path, node, style))),
    end: () => lines.flush(),
  };
}

/** Go's default form of a time; a zone is named by its offset. */
function goTime(time: Rfc3339): string {
  const [, day, clock, zone = 'Z'] = /^(.{10})[Tt]([\d:.]+)(.*)$/.exec(time) ?? [];
  if (zone === 'Z' || zone === 'z') return `${day} ${clock} +0000 UTC`;
  const offset = zone.replace(':', '');
  return `${day} ${clock} ${offset} ${offset}`;
}

export function jsonPrinter(lines: ByteLines): ListPrinter {
  return {
    begin(snapshot) {
      const json = snapshotJson(snapshot, { message_type: 'snapshot', struct_type: 'snapshot' });
      void lines.line(bytesOfText(json));
    },
    entry: (path, node, onTheWay) => (onTheWay ? undefined : lines.line(entryJson(path, node))),
    end: () => lines.flush(),
  };
}

/** ncdu's export format: nested lists, a folder's own entry first in its list. */
export function ncduPrinter(lines: ByteLines): ListPrinter {
  let depth = 0;
  const indent = (): string => '  '.repeat(depth);
  return {
    begin(snapshot) {
      const document = documentJson(snapshot);
      depth++;
      void lines.text(bytesOfText(`[1, 2, ${document}, [{"name":"/"}`));
    },
    entry(_path, node) {
      const json = ncduJson(node);
      if (node.type !== 'dir') return lines.text(`,\n${indent()}${json}` as ByteString);
      const opening = `,\n${indent()}[\n`;
      depth++;
      return lines.text(`${opening}${indent()}${json}` as ByteString);
    },
    leave() {
      depth--;
      void lines.text(`\n${indent()}]` as ByteString);
    },
    async end() {
      await lines.text('\n]\n]\n' as ByteString);
      await lines.flush();
    },
  };
}

/** Holds entries back until all are known, then gives them to another printer in order. */
export function sortedPrinter(printer: ListPrinter, order: SortOrder, reverse: boolean): ListPrinter {
  const entries: Entry[] = [];
  return {
    begin: (snapshot) => printer.begin(snapshot),
    entry(path, node, onTheWay) {
      if (!onTheWay) entries.push({ path, node });
      return undefined;
    },
    async end() {
      for (const { path, node } of sortEntries(entries, order, reverse))
        await printer.entry(path, node, false);
      await printer.end();
    },
  };
}
