import { after } from 'node:test';
import { joinGateway } from '../s3/gateway.ts';
import { connectTo, makeBucket } from '../s3/place.ts';
import { testStorage } from './contract.ts';

const gateway = await joinGateway();
after(() => gateway.release());
testStorage('s3', async () => {
  const bucket = gateway.newBucket();
  await makeBucket(gateway, bucket);
  return { connect: () => connectTo(gateway, `${bucket}/some/prefix`), close: async () => {} };
});
