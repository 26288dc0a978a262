/**
 * postgresql.auto.conf of a data directory that was restored. Settings of a recovery stand in a block of their
 * own, which is taken out again when the recovery has ended; what a copy needs beside its original stands in another,
 * which stays.
 */

type Settings = readonly (readonly [string, string])[];

interface Block {
  readonly begin: string;
  readonly end: string;
}

const recoveryBlock: Block = {
  begin: '# begin of settings for a recovery, written by lifeboat',
  end: '# end of settings for a recovery',
};
const copyBlock: Block = {
  begin: '# begin of settings of this copy, written by lifeboat',
  end: '# end of settings of this copy',
};

/** Settings that an earlier recovery may have left behind, and that would decide where this one ends. */
const recoverySettings =
  /^\s*(?:restore_command|archive_cleanup_command|recovery_end_command|recovery_target\w*|promote_trigger_file)\b/i;

/** A value as the file takes it (guc-file.l): in quotes, with quotes doubled and backslashes escaped. */
export function quoteSetting(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\n', '\\n')}'`;
}

function withoutBlock(text: string, { begin, end }: Block): string {
  const kept: string[] = [];
  let inBlock = false;
  for (const line of text.split('\n')) {
    if (line === begin) inBlock = true;
    else if (line === end) inBlock = false;
    else if (!inBlock) kept.push(line);
  }
  const left = kept.join('\n');
  return left === '' || left.endsWith('\n') ? left : `${left}\n`;
}

/** Behind everything else, so that they count. */
function withBlock(text: string, block: Block, settings: Settings): string {
  const lines = settings.map(([name, value]) => `${name} = ${quoteSetting(value)}`);
  return `${[withoutBlock(text, block) + block.begin, ...lines, block.end].join('\n')}\n`;
}

/** The file without the block of a recovery and without settings of earlier ones. */
export function withoutRecoverySettings(text: string): string {
  const lines = withoutBlock(text, recoveryBlock).split('\n');
  return lines.filter((line) => !recoverySettings.test(line)).join('\n');
}

export function withRecoverySettings(text: string, settings: Settings): string {
  return withBlock(withoutRecoverySettings(text), recoveryBlock, settings);
}

/** The file with what a copy needs beside its original; no settings, no block. */
export function withCopySettings(text: string, settings: Settings): string {
  return settings.length === 0 ? withoutBlock(text, copyBlock) : withBlock(text, copyBlock, settings);
}
