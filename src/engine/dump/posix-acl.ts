const version = 2;
const headerBytes = 4;
const entryBytes = 8;
const tags: Readonly<Record<number, { readonly name: string; readonly qualified: boolean }>> = {
  1: { name: 'user', qualified: false },
  2: { name: 'user', qualified: true },
  4: { name: 'group', qualified: false },
  8: { name: 'group', qualified: true },
  16: { name: 'mask', qualified: false },
  32: { name: 'other', qualified: false },
};

/**
 * The long text form of a POSIX.1e access control list (acl(5)) that Linux keeps in the attributes
 * `system.posix_acl_*`; users and groups by number, because names may differ elsewhere.
 *
 * @returns null for what is no such list.
 */
export function formatPosixAcl(acl: Buffer): string | null {
  if (acl.length < headerBytes || (acl.length - headerBytes) % entryBytes !== 0) return null;
  if (acl.readUInt32LE(0) !== version) return null;
  let text = '';
  for (let at = headerBytes; at < acl.length; at += entryBytes) {
    const tag = tags[acl.readUInt16LE(at)];
    if (tag === undefined) return null;
    const permissions = acl.readUInt16LE(at + 2);
    const qualifier = tag.qualified ? acl.readUInt32LE(at + 4) : '';
    const letters = [4, 2, 1].map((bit, i) => (permissions & bit ? 'rwx'[i] : '-')).join('');
    text += `${tag.name}:${qualifier}:${letters}\n`;
  }
  return text;
}
