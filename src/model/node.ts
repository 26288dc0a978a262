import type { ByteString } from '../core/bytestring.ts';
import type { Id } from './id.ts';

/** Kinds of entries in a tree (restic internal/data/node.go). */
export type NodeType = 'file' | 'dir' | 'symlink' | 'dev' | 'chardev' | 'fifo' | 'socket' | 'irregular' | '';

/** An unsigned 64-bit number: a bigint only where a number would lose digits (above 2^53 − 1). */
export type U64 = number | bigint;

/** RFC 3339 with up to nine digits of fraction, trailing zeros trimmed, as Go's RFC3339Nano writes it. */
export type Rfc3339 = string;

export interface ExtendedAttribute {
  readonly name: string;
  /** null where the tree says `null`: an attribute without a value. */
  readonly value: Buffer | null;
}

/** One entry of a directory. Field names are those of the tree's JSON. Absent means zero. */
export interface TreeNode {
  name: ByteString;
  type: NodeType;
  /** Go's os.FileMode bits, not st_mode. */
  mode: number;
  mtime: Rfc3339;
  atime: Rfc3339;
  ctime: Rfc3339;
  uid: number;
  gid: number;
  user?: string;
  group?: string;
  inode?: U64;
  /** st_dev; only kept for hard links. */
  device_id?: U64;
  size?: U64;
  links?: U64;
  linktarget?: ByteString;
  extended_attributes?: ExtendedAttribute[];
  /** Raw JSON text of each value, as found (Windows attributes); keys as found. */
  generic_attributes?: Record<string, string>;
  /** st_rdev of devices. */
  device?: U64;
  /** Data blobs of a file in order; null for what is no file. */
  content: Id[] | null;
  subtree?: Id;
  error?: string;
}

export interface Tree {
  readonly nodes: TreeNode[];
}
