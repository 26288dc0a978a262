/** Names of databases as names of files. */

const nameBytesMax = 200;

/**
 * The path of a database's dump below the source's folder. Slashes, control characters, percent signs and a
 * dot at the beginning are written as `%` and two digits, so that different names stay different.
 */
export function dumpPath(database: string, format: 'custom' | 'directory'): string {
  const safe = encode(database);
  return `databases/${safe}${format === 'custom' ? '.dump' : '.dir'}`;
}

function encode(database: string): string {
  let safe = '';
  for (const character of database) {
    const code = character.codePointAt(0)!;
    const unsafe = character === '/' || character === '%' || code < 0x20 || code === 0x7f;
    safe += unsafe || (safe === '' && character === '.') ? escaped(code) : character;
  }
  // NAMEDATALEN is 64 bytes unless the server was built otherwise.
  if (Buffer.byteLength(safe) > nameBytesMax) throw new RangeError(`the name ${database} is too long`);
  return safe;
}

const escaped = (code: number): string => `%${code.toString(16).toUpperCase().padStart(2, '0')}`;
