/** tablespace_map: where a server that starts from a backup makes the links of pg_tblspc (read_tablespace_map in xlogrecovery.c). */

export interface TablespacePlace {
  readonly oid: number;
  readonly path: string;
}

/** One line each, `oid path`; line breaks and backslashes in the path are escaped with a backslash. */
export function formatTablespaceMap(places: readonly TablespacePlace[]): string {
  return places.map(({ oid, path }) => `${oid} ${path.replace(/[\\\n\r]/g, '\\$&')}\n`).join('');
}
