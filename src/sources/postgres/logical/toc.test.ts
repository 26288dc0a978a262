import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { entriesOfSchema, entriesOfTables, findTable, parseToc } from './toc.ts';

const listing = `;
; Archive created at 2026-01-02 03:04:05 UTC
;     dbname: shop
;     TOC Entries: 20
;
; Selected TOC Entries:
;
6; 2615 16385 SCHEMA - stock app
215; 1259 16386 TABLE stock item app
;	depends on: 6
216; 1259 16396 TABLE stock item two app
;	depends on: 6
217; 1259 16400 SEQUENCE stock item_id_seq app
;	depends on: 215 6
3340; 0 0 SEQUENCE OWNED BY stock item_id_seq app
;	depends on: 217
218; 1259 16410 TABLE public note app
3341; 0 16386 TABLE DATA stock item app
;	depends on: 215
3342; 0 16396 TABLE DATA stock item two app
;	depends on: 216
3350; 0 0 SEQUENCE SET stock item_id_seq app
;	depends on: 217
3200; 2606 16395 CONSTRAINT stock item item_pkey app
;	depends on: 215
3201; 2606 16396 FK CONSTRAINT stock item two_item_fkey app
;	depends on: 215 216 3200
3202; 2606 16397 FK CONSTRAINT public note note_item_fkey app
;	depends on: 218 3200 215
3351; 0 0 ACL stock TABLE item app
;	depends on: 215
3352; 0 0 ACL - SCHEMA stock app
;	depends on: 6
300; 1259 16420 VIEW public names app
;	depends on: 215
`;

describe('the table of contents of a dump', () => {
  const toc = parseToc(listing);

  test('tells kinds of several words and what entries depend on', () => {
    assert.equal(toc.length, 15);
    assert.deepEqual(
      toc.filter(({ id }) => id === 3340 || id === 3202).map(({ kind, dependsOn }) => [kind, dependsOn]),
      [
        ['SEQUENCE OWNED BY', [217]],
        ['FK CONSTRAINT', [218, 3200, 215]],
      ],
    );
  });

  test('finds a table whose name begins another one', () => {
    assert.equal(findTable(toc, { schema: 'stock', table: 'item' })?.id, 215);
    assert.equal(findTable(toc, { schema: 'stock', table: 'item two' })?.id, 216);
    assert.equal(findTable(toc, { schema: 'stock', table: 'ite' }), null);
  });

  test('gives all that belongs to a table, and neither views nor keys of others', () => {
    const chosen = entriesOfTables(toc, [findTable(toc, { schema: 'stock', table: 'item' })!]);
    assert.deepEqual(
      chosen.map(({ id }) => id),
      [215, 217, 3340, 3341, 3350, 3200, 3201, 3351],
    );
  });

  test('gives all of a schema', () => {
    assert.deepEqual(
      entriesOfSchema(toc, 'stock').map(({ id }) => id),
      [6, 215, 216, 217, 3340, 3341, 3342, 3350, 3200, 3201, 3351, 3352],
    );
  });
});
