import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hasCode } from '../../src/core/errors.ts';
import { loadHistories, loadHistory, saveHistory } from '../../src/journal/history.ts';
import { listJournal } from '../../src/journal/list.ts';
import { memoryPlace, stream } from './places.ts';

describe('timeline history files', () => {
  const text = Buffer.from('1\t0/5064\tno recovery target specified\n');

  test('come back as they were written, and are stored once', async () => {
    const place = memoryPlace();
    assert.equal(await saveHistory(place, stream, 2, text), 'saved');
    assert.equal(await saveHistory(place, stream, 2, text), 'already there');
    assert.equal(place.storage.objects.size, 1);
    assert.match(
      [...place.storage.objects.keys()][0]!,
      /^lifeboat\/journal\/app-db\/7301234567890123456\/history\/00000002\.history\.[0-9a-f]{32}$/,
    );
    assert.ok((await loadHistory(place, stream, 2))!.equals(text));
    assert.equal(await loadHistory(place, stream, 3), null);
    assert.deepEqual((await loadHistories(place, stream)).histories, [
      { timeline: 2, switches: [{ timeline: 1, end: 0x5064n, reason: 'no recovery target specified' }] },
    ]);
    assert.deepEqual(
      (await listJournal(place, 'app-db'))[0]!.histories.map(({ timeline }) => timeline),
      [2],
    );
  });

  test('are never replaced by others', async () => {
    const place = memoryPlace();
    await saveHistory(place, stream, 2, text);
    await assert.rejects(saveHistory(place, stream, 2, Buffer.from('1\t0/6000\tother\n')), (error) =>
      hasCode(error, 'journal-conflict'),
    );
    assert.ok((await loadHistory(place, stream, 2))!.equals(text));
  });

  test('that are damaged are told, and can be stored again', async () => {
    const place = memoryPlace();
    await saveHistory(place, stream, 2, text);
    await saveHistory(place, stream, 3, Buffer.from('no history'));
    const [key] = [...place.storage.objects.keys()];
    place.storage.objects.get(key!)![20]! ^= 1;
    await assert.rejects(loadHistory(place, stream, 2), (error) => hasCode(error, 'journal-damaged'));
    const { histories, problems } = await loadHistories(place, stream);
    assert.deepEqual(histories, []);
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['journal-damaged', 'journal-damaged'],
    );
    assert.equal(await saveHistory(place, stream, 2, text), 'saved');
    assert.ok((await loadHistory(place, stream, 2))!.equals(text));
  });
});
