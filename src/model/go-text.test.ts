import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ByteString } from '../core/bytestring.ts';
import {
  bytesOfLosslessText,
  goJsonBytes,
  goJsonInside,
  goJsonInsideOfText,
  goJsonText,
  goQuote,
  goUnquote,
  losslessText,
} from './go-text.ts';

const fromHex = (hex: string): ByteString => Buffer.from(hex, 'hex').toString('latin1') as ByteString;

/** Made with Go 1.26 (Unicode 15.0): bytes, the JSON of strconv.Quote of them, their own JSON. All in hex. */
const written: readonly (readonly [string, string, string])[] = [
  ['706c61696e', '706c61696e', '706c61696e'],
  ['612262', '615c5c5c2262', '615c2262'],
  ['615c62', '615c5c5c5c62', '615c5c62'],
  [
    '07080c0a0d090b001f7f',
    '5c5c615c5c625c5c665c5c6e5c5c725c5c745c5c765c5c7830305c5c7831665c5c783766',
    '5c75303030375c625c665c6e5c725c745c75303030625c75303030305c75303031667f',
  ],
  ['3c3e26', '5c75303033635c75303033655c7530303236', '5c75303033635c75303033655c7530303236'],
  ['e280a8e280a9', '5c5c75323032385c5c7532303239', '5c75323032385c7532303239'],
  ['fffe', '5c5c7866665c5c786665', '5c75666666645c7566666664'],
  ['e282', '5c5c7865325c5c783832', '5c75666666645c7566666664'],
  ['eda080', '5c5c7865645c5c7861305c5c783830', '5c75666666645c75666666645c7566666664'],
  ['c2a0c2adcdb8', '5c5c75303061305c5c75303061645c5c7530333738', 'c2a0c2adcdb8'],
  ['c3a9e697a5f09f9880', 'c3a9e697a5f09f9880', 'c3a9e697a5f09f9880'],
  ['f3a08081f48fbfbf', '5c5c5530303065303030315c5c553030313066666666', 'f3a08081f48fbfbf'],
  ['efbbbfefbfbd', '5c5c7566656666efbfbd', 'efbbbfefbfbd'],
  [
    'd89df09e9390f090b580f090a580e0a28f',
    'd89df09e93905c5c5530303031306434305c5c5530303031303934305c5c7530383866',
    'd89df09e9390f090b580f090a580e0a28f',
  ],
  [
    'f4908080c0af',
    '5c5c7866345c5c7839305c5c7838305c5c7838305c5c7863305c5c786166',
    '5c75666666645c75666666645c75666666645c75666666645c75666666645c7566666664',
  ],
  ['276024', '276024', '276024'],
  [
    'f0aeafb0f0aeafa0f0b28eb0f0b18d8af0b18d90',
    '5c5c553030303265626630f0aeafa05c5c553030303332336230f0b18d8af0b18d90',
    'f0aeafb0f0aeafa0f0b28eb0f0b18d8af0b18d90',
  ],
];

/** Made with Go 1.26: the inside of a quoted text, and what strconv.Unquote says, in hex; null for an error. */
const unquoted: readonly (readonly [string, string | null])[] = [
  ['5c783431', '41'],
  ['5c313031', '41'],
  ['5c7530306539', 'c3a9'],
  ['5c553030303166363030', 'f09f9880'],
  ['5c27', null],
  ['5c22', '22'],
  ['5c7564383030', null],
  ['5c71', null],
  ['5c7834', null],
  ['5c343030', null],
  ['5c38', null],
  ['610a62', null],
  ['c3a95c783830', 'c3a980'],
  ['612262', null],
  ['5c553030313130303030', null],
  ['5c', null],
  ['5c615c76', '070b'],
];

const anyBytes = fc
  .uint8Array({ maxLength: 40 })
  .map((bytes) => Buffer.from(bytes).toString('latin1') as ByteString);

test('names are quoted as Go quotes them, control characters and unassigned code points included', () => {
  for (const [bytes, quoted] of written)
    assert.equal(goJsonInside(goQuote(fromHex(bytes))), fromHex(quoted), bytes);
});

test('strings are written as encoding/json writes them', () => {
  for (const [bytes, , json] of written) {
    assert.equal(goJsonInside(fromHex(bytes)), fromHex(json), bytes);
    assert.equal(goJsonInsideOfText(losslessText(fromHex(bytes))), fromHex(json), bytes);
  }
});

test('quoted names are read as Go reads them', () => {
  for (const [quoted, bytes] of unquoted) {
    assert.equal(goUnquote(fromHex(quoted)), bytes === null ? null : fromHex(bytes), quoted);
  }
});

test('quoting and JSON lose no byte of a name', () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      const json = goJsonInside(goQuote(bytes));
      assert.equal(goUnquote(goJsonBytes(json) ?? ''), bytes);
    }),
  );
});

test('text holds any bytes, and reads back what was written with the same JSON', () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      const text = losslessText(bytes);
      assert.equal(bytesOfLosslessText(text), bytes);
      const json = goJsonInsideOfText(text);
      assert.equal(goJsonInsideOfText(goJsonText(json) ?? ''), json);
    }),
  );
});

test('unpaired surrogates in JSON become U+FFFD, pairs one character', () => {
  assert.equal(goJsonBytes('\\ud83d\\ude00\\ud83d'), '\xf0\x9f\x98\x80\xef\xbf\xbd');
  assert.equal(goJsonBytes('\\q'), null);
  assert.equal(goJsonBytes('\\u12'), null);
  assert.equal(goJsonBytes('a\nb'), null);
});
