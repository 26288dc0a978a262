/** Records the emulator's answers: `LIFEBOAT_TEST_FAKE_GCS=/path/to/fake-gcs-server node test/gcs/record.ts`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startEmulator } from './emulator.ts';
import { makeExchanges } from './exchanges.ts';

const emulator = await startEmulator();
try {
  const answers = await makeExchanges(emulator.endpoint);
  writeFileSync(join(import.meta.dirname, 'recorded.json'), `${JSON.stringify(answers, null, 2)}\n`);
} finally {
  await emulator.stop();
}
