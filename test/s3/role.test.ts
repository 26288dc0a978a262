import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { s3Opening } from '../../src/app/s3-settings.ts';
import { plainAccess } from '../../src/app/storage-access.ts';
import { hasCode } from '../../src/core/errors.ts';
import { s3Storage } from '../../src/storage/s3/s3.ts';
import { gatewayMissing, joinGateway } from './gateway.ts';
import { makeBucket } from './place.ts';

const gateway = gatewayMissing ? null : await joinGateway();
after(() => gateway?.release());

interface Asked {
  readonly headers: IncomingHttpHeaders;
  readonly form: URLSearchParams;
}

/** A fake of AWS's token service: the gateway has one of its own kind, without the roles of other accounts. */
async function startTokens(answer: (asked: Asked) => { status: number; body: string }) {
  const asked: Asked[] = [];
  const server = createServer((incoming, outgoing) => {
    void text(incoming).then((body) => {
      const one = { headers: incoming.headers, form: new URLSearchParams(body) };
      asked.push(one);
      const { status, body: sent } = answer(one);
      outgoing.writeHead(status, { 'content-type': 'text/xml' }).end(sent);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const granted = (accessKey: string, secretKey: string, until: Date): string =>
  `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>${accessKey}</AccessKeyId><SecretAccessKey>${secretKey}</SecretAccessKey>
<Expiration>${until.toISOString()}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`;
const refused = (code: string, message: string): string =>
  `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`;

describe('a role on S3', { skip: gatewayMissing }, async () => {
  if (!gateway) return;
  const { accessKey, secretKey } = gateway;
  const bucket = gateway.newBucket();
  await makeBucket(gateway, bucket);
  const connect = (tokens: string, more: Record<string, string> = {}) => {
    const access = plainAccess({
      AWS_ACCESS_KEY_ID: 'AKIDOFTHEJOB',
      AWS_SECRET_ACCESS_KEY: 'secret-of-the-job',
      RESTIC_AWS_ASSUME_ROLE_ARN: 'arn:aws:iam::123456789012:role/backup',
      RESTIC_AWS_ASSUME_ROLE_STS_ENDPOINT: tokens,
      ...more,
    });
    const location = `s3:${gateway.endpoint}/${bucket}`;
    return s3Storage(s3Opening(location, access, { upload: null, download: null }).settings);
  };

  test('is taken once with the credentials of the job, by the variables of restic', async () => {
    const tokens = await startTokens(() => ({
      status: 200,
      body: granted(accessKey, secretKey, new Date(Date.now() + 3600_000)),
    }));
    try {
      const policy = '{"Version":"2012-10-17","Statement":[]}';
      const storage = connect(tokens.endpoint, {
        RESTIC_AWS_ASSUME_ROLE_SESSION_NAME: 'nightly',
        RESTIC_AWS_ASSUME_ROLE_EXTERNAL_ID: 'from-outside',
        RESTIC_AWS_ASSUME_ROLE_POLICY: policy,
        RESTIC_AWS_ASSUME_ROLE_REGION: 'eu-west-1',
      });
      await storage.save('config', [Buffer.from('x')]);
      assert.equal(String(await storage.load('config')), 'x');
      assert.equal(tokens.asked.length, 1, 'as long as what it gave is good');
      const { form, headers } = tokens.asked[0]!;
      assert.deepEqual(
        ['Action', 'RoleArn', 'RoleSessionName', 'ExternalId', 'Policy'].map((name) => form.get(name)),
        ['AssumeRole', 'arn:aws:iam::123456789012:role/backup', 'nightly', 'from-outside', policy],
      );
      assert.match(headers.authorization ?? '', /Credential=AKIDOFTHEJOB\/\d+\/eu-west-1\/sts\//);
    } finally {
      await tokens.stop();
    }
  });

  test('is asked for anew when what it gave ends', async () => {
    const tokens = await startTokens(() => ({
      status: 200,
      body: granted(accessKey, secretKey, new Date(Date.now() + 1_000)),
    }));
    try {
      const storage = connect(tokens.endpoint);
      await storage.save('config', [Buffer.from('x')]);
      await storage.load('config');
      assert.ok(tokens.asked.length >= 2);
      assert.equal(tokens.asked[0]!.form.get('RoleSessionName'), 'lifeboat');
    } finally {
      await tokens.stop();
    }
  });

  test('that may not be taken is told from a bucket that may not be read', async () => {
    const cases = [
      ['AccessDenied', 'is not authorized to perform: sts:AssumeRole', 'storage-denied'],
      ['InvalidClientTokenId', 'The security token is invalid', 'storage-credentials'],
      ['MalformedPolicyDocument', 'Syntax errors in policy', 'storage-settings'],
    ] as const;
    for (const [code, words, ours] of cases) {
      const tokens = await startTokens(() => ({ status: 403, body: refused(code, words) }));
      try {
        await assert.rejects(connect(tokens.endpoint).load('config'), (error: unknown) => {
          assert.ok(hasCode(error, ours), String(error));
          assert.ok(error.message.includes(words), error.message);
          assert.ok(!error.message.includes('secret-of-the-job'));
          return true;
        });
      } finally {
        await tokens.stop();
      }
    }
  });
});
