import { createHash } from 'node:crypto';

/**
 * The requests that the driver makes, one for each kind of answer there is. `record.ts` makes them to the emulator
 * and keeps its answers; `recorded.ts` answers by them; test/peers holds the two against each other.
 */

export interface Exchange {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** As much of an answer as a client can see. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly range?: string;
  readonly body: string;
}

export const content = 'ten bytes.';
const md5Of = (text: string): string => createHash('md5').update(text).digest('base64');

export function uploadOf(name: string, sent: string, md5Hash: string): Pick<Exchange, 'headers' | 'body'> {
  const resource = JSON.stringify({ name, contentType: 'application/octet-stream', md5Hash });
  return {
    headers: { 'content-type': 'multipart/related; boundary=part' },
    body: `--part\r\ncontent-type: application/json\r\n\r\n${resource}\r\n--part\r\ncontent-type: application/octet-stream\r\n\r\n${sent}\r\n--part--`,
  };
}

const bucket = '/storage/v1/b/recorded';
const json = { 'content-type': 'application/json' };

/** In this order. */
export const exchanges: readonly Exchange[] = [
  { name: 'bucket-absent', method: 'GET', path: `${bucket}?fields=name` },
  {
    name: 'upload-no-bucket',
    method: 'POST',
    path: `/upload${bucket}/o?uploadType=multipart&fields=md5Hash`,
    ...uploadOf('object', content, md5Of(content)),
  },
  { name: 'list-no-bucket', method: 'GET', path: `${bucket}/o?prefix=a%2F` },
  {
    name: 'bucket-made',
    method: 'POST',
    path: '/storage/v1/b?project=p&fields=name',
    headers: json,
    body: '{"name":"recorded","location":"us"}',
  },
  { name: 'bucket-there', method: 'GET', path: `${bucket}?fields=name` },
  {
    name: 'upload-damaged',
    method: 'POST',
    path: `/upload${bucket}/o?uploadType=multipart&fields=md5Hash`,
    ...uploadOf('object', content, md5Of('something else')),
  },
  {
    name: 'upload-done',
    method: 'POST',
    path: `/upload${bucket}/o?uploadType=multipart&fields=md5Hash`,
    ...uploadOf('object', content, md5Of(content)),
  },
  {
    name: 'upload-second',
    method: 'POST',
    path: `/upload${bucket}/o?uploadType=multipart&fields=md5Hash`,
    ...uploadOf('second', content, md5Of(content)),
  },
  { name: 'whole', method: 'GET', path: `${bucket}/o/object?alt=media` },
  {
    name: 'part',
    method: 'GET',
    path: `${bucket}/o/object?alt=media`,
    headers: { range: 'bytes=4-8' },
  },
  {
    name: 'beyond-end',
    method: 'GET',
    path: `${bucket}/o/object?alt=media`,
    headers: { range: 'bytes=10-19' },
  },
  { name: 'content-absent', method: 'GET', path: `${bucket}/o/absent?alt=media` },
  { name: 'facts', method: 'GET', path: `${bucket}/o/object?fields=size` },
  { name: 'facts-absent', method: 'GET', path: `${bucket}/o/absent?fields=size` },
  { name: 'list-page', method: 'GET', path: `${bucket}/o?prefix=&maxResults=1` },
  { name: 'list-last', method: 'GET', path: `${bucket}/o?prefix=obj&maxResults=1` },
  { name: 'list-empty', method: 'GET', path: `${bucket}/o?prefix=absent%2F` },
  { name: 'removed', method: 'DELETE', path: `${bucket}/o/object` },
  { name: 'remove-absent', method: 'DELETE', path: `${bucket}/o/object` },
];

/** What differs from run to run. */
const volatile: readonly (readonly [RegExp, string])[] = [
  [/"(timeCreated|timeStorageClassUpdated|updated)":"[^"]*"/g, '"$1":"2026-01-01T00:00:00.000Z"'],
  [/"generation":"\d+"/g, '"generation":"1"'],
  [/http:\/\/127\.0\.0\.1:\d+/g, 'http://127.0.0.1:1'],
];

/** Makes every request, in their order. @param endpoint of a server that has no bucket `recorded`. */
export async function makeExchanges(endpoint: string): Promise<Record<string, Answer>> {
  const answers: Record<string, Answer> = {};
  for (const { name, method, path, headers, body } of exchanges) {
    const answer = await fetch(endpoint + path, {
      method,
      ...(headers && { headers }),
      ...(body !== undefined && { body }),
    });
    const range = answer.headers.get('content-range');
    let text = await answer.text();
    for (const [pattern, constant] of volatile) text = text.replace(pattern, constant);
    answers[name] = {
      status: answer.status,
      type: answer.headers.get('content-type') ?? '',
      ...(range !== null && { range }),
      body: text,
    };
  }
  return answers;
}
