import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quoteName, quoteText, splitStatements } from './sql-text.ts';

test('names and texts are quoted', () => {
  assert.equal(quoteName('we"ird'), '"we""ird"');
  assert.equal(quoteText("it's"), "'it''s'");
  assert.equal(quoteText('a\\b'), " E'a\\\\b'");
});

test('a script is split at semicolons outside of quotes', () => {
  const script = `--
-- Roles;
--
\\restrict token
SET client_encoding = 'UTF8';
CREATE ROLE "a;b";
COMMENT ON ROLE x IS 'it''s; two
lines -- really';
ALTER ROLE y SET z TO E'back\\'; slash';
DO $x$ begin; end $x$;
-- end;
`;
  assert.deepEqual(splitStatements(script), [
    `SET client_encoding = 'UTF8'`,
    'CREATE ROLE "a;b"',
    `COMMENT ON ROLE x IS 'it''s; two\nlines -- really'`,
    `ALTER ROLE y SET z TO E'back\\'; slash'`,
    'DO $x$ begin; end $x$',
  ]);
});
