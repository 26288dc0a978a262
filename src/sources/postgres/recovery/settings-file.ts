/**
 * postgresql.auto.conf of a data directory that was restored. Settings of a recovery stand in a block of their
 * own, which is taken out again when the recovery has ended.
 */

const blockBegin = '# begin of settings for a recovery, written by lifeboat';
const blockEnd = '# end of settings for a recovery';

/** Settings that an earlier recovery may have left behind, and that would decide where this one ends. */
const recoverySettings =
  /^\s*(?:restore_command|archive_cleanup_command|recovery_end_command|recovery_target\w*|promote_trigger_file)\b/i;

/** A value as the file takes it (guc-file.l): in quotes, with quotes doubled and backslashes escaped. */
export function quoteSetting(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\n', '\\n')}'`;
}

/** The file without our block and without settings of earlier recoveries. */
export function withoutRecoverySettings(text: string): string {
  const kept: string[] = [];
  let inBlock = false;
  for (const line of text.split('\n')) {
    if (line === blockBegin) inBlock = true;
    else if (line === blockEnd) inBlock = false;
    else if (!inBlock && !recoverySettings.test(line)) kept.push(line);
  }
  const left = kept.join('\n');
  return left === '' || left.endsWith('\n') ? left : `${left}\n`;
}

/** The file with these settings in our block, behind everything else, so that they count. */
export function withRecoverySettings(text: string, settings: readonly (readonly [string, string])[]): string {
  const lines = settings.map(([name, value]) => `${name} = ${quoteSetting(value)}`);
  return `${[withoutRecoverySettings(text) + blockBegin, ...lines, blockEnd].join('\n')}\n`;
}

/** The file with one setting that stays. */
export function withSetting(text: string, name: string, value: string): string {
  const others = text.split('\n').filter((line) => !new RegExp(`^\\s*${name}\\b`, 'i').test(line));
  const left = others.join('\n');
  return `${left === '' || left.endsWith('\n') ? left : `${left}\n`}${name} = ${quoteSetting(value)}\n`;
}
