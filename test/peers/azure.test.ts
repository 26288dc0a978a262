import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { azuriteMissing, startAzurite } from '../azure/azurite.ts';
import { lifeboat, missing, newestRestic, succeed } from '../programs.ts';
import { makeCertificate, startTunnel } from '../remote/tunnel.ts';

const scratch = mkdtempSync(join(tmpdir(), 'azure-peer-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

describe('a container on Azure', { skip: missing(newestRestic) || azuriteMissing }, () => {
  test('serves the newest restic and Lifeboat in turns', async (t) => {
    const tls = makeCertificate(scratch, ['*.blob.core.windows.net']);
    if (!tls) return t.skip('needs openssl');
    const server = await startAzurite(tls);
    t.after(() => server.stop());
    const tunnel = await startTunnel({ [server.account]: server.port });
    t.after(() => tunnel.stop());
    const env = {
      HTTPS_PROXY: tunnel.url,
      AZURE_ACCOUNT_NAME: server.account,
      AZURE_ACCOUNT_KEY: server.key,
    };
    const place = { repository: `azure:${server.newContainer()}:/repository`, env };
    const trusting = ['--cacert', tls.cert];
    // Without a tier this restic sends an empty one, which Azurite refuses.
    const restic = [...trusting, '-o', 'azure.access-tier=Hot'];
    await succeed(lifeboat(), [...trusting, 'init'], place);
    await succeed(newestRestic, [...restic, 'backup', import.meta.dirname], place);
    await succeed(lifeboat(), [...trusting, 'backup', import.meta.dirname], place);
    await succeed(newestRestic, [...restic, 'check', '--read-data'], place);
    await succeed(lifeboat(), [...trusting, 'check', '--read-data'], place);
  });
});
