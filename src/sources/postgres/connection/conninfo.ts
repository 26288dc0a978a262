import { LifeboatError } from '../../../core/errors.ts';

/**
 * Connection strings of libpq (documentation, "Connection Strings"): URIs and keyword/value strings, taken apart
 * into parameters by libpq's names. Values are never repeated in errors, as any of them may be a password.
 */

export type Parameters = Map<string, string>;

function invalid(problem: string): LifeboatError {
  return new LifeboatError('database-settings', `the connection to PostgreSQL is not understood: ${problem}`);
}

const schemePattern = /^postgres(?:ql)?:\/\//i;

export function isUri(text: string): boolean {
  return schemePattern.test(text);
}

function decoded(text: string, part: string): string {
  try {
    const value = decodeURIComponent(text);
    if (!value.includes('\0')) return value;
  } catch {
    throw invalid(
      `the ${part} holds a % that is not the begin of an encoded character; write % itself as %25`,
    );
  }
  throw invalid(`the ${part} holds %00, which PostgreSQL forbids`);
}

interface HostAndPort {
  readonly host: string;
  readonly port: string;
}

function hostAndPort(text: string): HostAndPort {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d*))?$/.exec(text);
  if (!match) {
    throw invalid(
      'a host of the URI is not HOST, HOST:PORT or [IPv6]:PORT; in user names and passwords write @ as %40, : as %3A, / as %2F and # as %23',
    );
  }
  return { host: decoded(match[1] ?? match[2] ?? '', 'host'), port: match[3] ?? '' };
}

/** The position of the @ that ends user and password: an unencoded @ in a password is forgiven. */
function endOfUser(text: string): number {
  const end = text.search(/[/?]/);
  return text.lastIndexOf('@', end === -1 ? text.length : end);
}

/** @throws LifeboatError `database-settings` */
export function parseUri(uri: string): Parameters {
  const parameters: Parameters = new Map();
  let rest = uri.trim().replace(schemePattern, '');
  const at = endOfUser(rest);
  if (at !== -1) {
    const user = rest.slice(0, at);
    rest = rest.slice(at + 1);
    const colon = user.indexOf(':');
    if (colon !== 0) parameters.set('user', decoded(colon === -1 ? user : user.slice(0, colon), 'user name'));
    if (colon !== -1) parameters.set('password', decoded(user.slice(colon + 1), 'password'));
  }
  const question = rest.indexOf('?');
  const query = question === -1 ? '' : rest.slice(question + 1);
  if (question !== -1) rest = rest.slice(0, question);
  const slash = rest.indexOf('/');
  const authority = slash === -1 ? rest : rest.slice(0, slash);
  if (slash !== -1 && slash + 1 < rest.length) {
    parameters.set('dbname', decoded(rest.slice(slash + 1), 'database name'));
  }
  if (authority !== '') {
    const hosts = authority.split(',').map(hostAndPort);
    if (hosts.some(({ host }) => host !== ''))
      parameters.set('host', hosts.map(({ host }) => host).join(','));
    if (hosts.some(({ port }) => port !== ''))
      parameters.set('port', hosts.map(({ port }) => port).join(','));
  }
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    if (equals === -1) throw invalid('a parameter of the URI has no value: write ?name=value');
    const name = decoded(pair.slice(0, equals), 'name of a parameter');
    const value = decoded(pair.slice(equals + 1), `parameter ${name}`);
    // As libpq: what JDBC calls ssl=true.
    if (name === 'ssl' && value === 'true') parameters.set('sslmode', 'require');
    else parameters.set(name, value);
  }
  return parameters;
}

/**
 * `host=db.example.org user='a b'`: values in single quotes may hold blanks; a backslash takes the next character
 * as it is.
 * @throws LifeboatError `database-settings`
 */
export function parseKeywords(text: string): Parameters {
  const parameters: Parameters = new Map();
  let rest = text.trim();
  while (rest !== '') {
    const name = /^([A-Za-z_]+)\s*=\s*/.exec(rest);
    if (!name) {
      throw invalid(
        'it is neither postgresql://USER@HOST/DATABASE nor keywords such as host=HOST user=USER dbname=DATABASE',
      );
    }
    rest = rest.slice(name[0].length);
    const value = rest.startsWith("'")
      ? /^'((?:[^'\\]|\\.)*)'(?=\s|$)\s*/s.exec(rest)
      : /^((?:[^\s\\']|\\.)*)(?=\s|$)\s*/s.exec(rest);
    if (!value) {
      throw invalid(
        `the value of ${name[1]} has a quote or backslash too many; write ' as \\' and \\ as \\\\`,
      );
    }
    parameters.set(name[1]!, value[1]!.replace(/\\(.)/gs, '$1'));
    rest = rest.slice(value[0].length);
  }
  return parameters;
}

/** Either kind. @throws LifeboatError `database-settings` */
export function parseConnectionString(text: string): Parameters {
  return isUri(text.trim()) ? parseUri(text) : parseKeywords(text);
}
