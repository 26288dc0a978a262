import { LifeboatError } from '../../../core/errors.ts';
import { readPooler } from './pooler.ts';
import type { SqlSession } from './session.ts';

/** What a backup needs to know about the server at the other end. */
export interface ServerFacts {
  /** server_version_num, such as 150019. */
  readonly versionNumber: number;
  /** Such as 15. */
  readonly major: number;
  /** As the server prints it: `15.19 (Debian 15.19-0+deb12u1)`. */
  readonly version: string;
  /** Decimal, unsigned 64 bits. */
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly segmentBytes: number;
  readonly blockBytes: number;
  /** Blocks in a segment file of a relation, of `blockBytes` each. */
  readonly relationSegmentBlocks: number;
  readonly dataChecksums: boolean;
  readonly inRecovery: boolean;
  /** null where the role may not see it. */
  readonly dataDirectory: string | null;
  readonly user: string;
  readonly database: string;
  readonly isSuperuser: boolean;
  readonly canReplicate: boolean;
  readonly readsAllSettings: boolean;
  readonly readsAllData: boolean;
  readonly maySignal: boolean;
  readonly walLevel: string;
  readonly archiveMode: string;
  /** null where the role may not see it. */
  readonly archiveCommand: string | null;
  readonly archiveLibrary: string | null;
  readonly maxWalSenders: number;
  readonly maxReplicationSlots: number;
  /** In MiB as set; -1 is no limit. */
  readonly maxSlotWalKeepSize: string;
  /** False before PostgreSQL 17. */
  readonly summarizeWal: boolean;
  readonly fullPageWrites: boolean;
  /** Clock of the server, milliseconds since 1970 with fraction. */
  readonly clockMs: number;
  /** What stands between this machine and the server, or null where the connection is direct. */
  readonly pooler: string | null;
  /** Whether the pooler gives the connection to others between transactions. */
  readonly transactionPooling: boolean;
  /** Who runs the server, where its roles or its name tell: `Amazon RDS`, `Supabase`, …. */
  readonly provider: string | null;
}

const settingNames = [
  'server_version_num',
  'server_version',
  'wal_segment_size',
  'block_size',
  'segment_size',
  'data_checksums',
  'data_directory',
  'wal_level',
  'archive_mode',
  'archive_command',
  'archive_library',
  'max_wal_senders',
  'max_replication_slots',
  'max_slot_wal_keep_size',
  'summarize_wal',
  'full_page_writes',
] as const;
type SettingName = (typeof settingNames)[number];

/** pg_settings leaves out what the role may not see. Sizes come in the unit that the server counts in. */
async function readSettings(
  session: SqlSession,
): Promise<Map<SettingName, { value: string; unit: string | null }>> {
  const rows = await session.query<{ name: SettingName; setting: string; unit: string | null }>(
    'SELECT name, setting, unit FROM pg_catalog.pg_settings WHERE name = ANY ($1)',
    [settingNames],
  );
  return new Map(rows.map(({ name, setting, unit }) => [name, { value: setting, unit }]));
}

interface RoleFacts {
  readonly user: string;
  readonly database: string;
  readonly isSuperuser: boolean;
  readonly canReplicate: boolean;
  readonly inRecovery: boolean;
  readonly clockMs: number;
  readonly roles: readonly string[];
}

const roleQuery = `SELECT current_user::text AS "user", pg_catalog.current_database()::text AS database,
  r.rolsuper AS "isSuperuser", (r.rolsuper OR r.rolreplication) AS "canReplicate",
  pg_catalog.pg_is_in_recovery() AS "inRecovery",
  (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::float8 AS "clockMs",
  ARRAY(SELECT m.rolname::text FROM pg_catalog.pg_roles m
        WHERE pg_catalog.pg_has_role(current_user, m.oid, 'MEMBER')) AS roles
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`;

/** Roles that a provider makes on each of its servers, and names of hosts. */
const providers: readonly { readonly name: string; readonly role?: string; readonly host?: RegExp }[] = [
  { name: 'Supabase', role: 'supabase_admin', host: /\.supabase\.(?:co|com)$/ },
  { name: 'Neon', role: 'neon_superuser', host: /\.neon\.tech$/ },
  { name: 'Amazon RDS', role: 'rds_superuser', host: /\.rds\.amazonaws\.com$/ },
  { name: 'Google Cloud SQL', role: 'cloudsqlsuperuser' },
  { name: 'Azure Database', role: 'azure_pg_admin', host: /\.postgres\.database\.azure\.com$/ },
  { name: 'DigitalOcean', role: 'doadmin', host: /\.db\.ondigitalocean\.com$/ },
  { name: 'Render', host: /\.render\.com$/ },
  { name: 'Railway', host: /\.(?:rlwy\.net|railway\.app)$/ },
  { name: 'Heroku', role: 'heroku_admin' },
  { name: 'Aiven', host: /\.aivencloud\.com$/ },
];

async function readProvider(session: SqlSession): Promise<string | null> {
  const roles = providers.flatMap(({ role }) => role ?? []);
  const found = await session.query<{ name: string }>(
    'SELECT rolname::text AS name FROM pg_catalog.pg_roles WHERE rolname = ANY ($1)',
    [roles],
  );
  const { host } = session.settings;
  const known = providers.find(
    (each) => each.host?.test(host) || found.some(({ name }) => name === each.role),
  );
  return known?.name ?? null;
}

/** Facts of the control file; pg_control_system() may be called by everyone unless that was revoked. */
async function readControl(session: SqlSession): Promise<{ systemIdentifier: string; timeline: number }> {
  const rows = await session.query<{ system: string; timeline: number }>(
    `SELECT s.system_identifier AS system, c.timeline_id AS timeline
     FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c`,
  );
  const { system, timeline } = rows[0]!;
  return { systemIdentifier: BigInt.asUintN(64, BigInt(system)).toString(), timeline };
}

/** @throws LifeboatError `database-permission` where the role may not call pg_control_system(), and as `query` */
export async function readServerFacts(session: SqlSession): Promise<ServerFacts> {
  const settings = await readSettings(session);
  const value = (name: SettingName): string | null => settings.get(name)?.value ?? null;
  const number = (name: SettingName): number => Number(value(name) ?? 0);
  const role = (await session.query<RoleFacts>(roleQuery))[0]!;
  const may = (name: string): boolean => role.isSuperuser || role.roles.includes(name);
  const versionNumber = number('server_version_num');
  // Before PostgreSQL 11 the unit was a block of 8 kB.
  const segmentUnit = settings.get('wal_segment_size')?.unit === '8kB' ? 8192 : 1;
  const { pooler, transactionPooling } = await readPooler(session);
  return {
    versionNumber,
    major: majorOf(versionNumber),
    version: value('server_version') ?? '',
    ...(await readControl(session)),
    segmentBytes: number('wal_segment_size') * segmentUnit,
    blockBytes: number('block_size'),
    relationSegmentBlocks: number('segment_size'),
    dataChecksums: value('data_checksums') === 'on',
    dataDirectory: value('data_directory') || null,
    user: role.user,
    database: role.database,
    isSuperuser: role.isSuperuser,
    canReplicate: role.canReplicate,
    inRecovery: role.inRecovery,
    clockMs: role.clockMs,
    readsAllSettings: may('pg_read_all_settings') || may('pg_monitor'),
    readsAllData: may('pg_read_all_data'),
    maySignal: may('pg_signal_backend'),
    walLevel: value('wal_level') ?? '',
    archiveMode: value('archive_mode') ?? 'off',
    archiveCommand: value('archive_command'),
    archiveLibrary: value('archive_library'),
    maxWalSenders: number('max_wal_senders'),
    maxReplicationSlots: number('max_replication_slots'),
    maxSlotWalKeepSize: value('max_slot_wal_keep_size') ?? '-1',
    summarizeWal: value('summarize_wal') === 'on',
    fullPageWrites: value('full_page_writes') === 'on',
    pooler,
    transactionPooling,
    provider: await readProvider(session),
  };
}

/** 150019 → 15, 90624 → 9. */
export function majorOf(versionNumber: number): number {
  return Math.floor(versionNumber / 10_000);
}

const physicalVersionMin = 130_000;

/** @throws LifeboatError `database-version` where the server is too old for physical backups and the journal */
export function requirePhysicalVersion({ versionNumber, version }: ServerFacts): void {
  if (versionNumber >= physicalVersionMin) return;
  throw new LifeboatError(
    'database-version',
    `the server is PostgreSQL ${version}; physical backups and the journal need 13 or newer`,
    { hint: 'use `method: logical` for this source, or upgrade the server' },
  );
}
