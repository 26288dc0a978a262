/** What someone needs who has lost everything but this page and the repository. */
export interface KitFacts {
  /** Where the repository is, as typed into --repo. */
  readonly location: string;
  readonly repositoryId: string;
  readonly host: string;
  /** RFC 3339. */
  readonly date: string;
  readonly paths: readonly string[];
  /** The password itself only where Lifeboat made it up; else where the user said that it is. */
  readonly password: { readonly generated: string } | { readonly whereItIs: string };
}

const quoted = (text: string): string =>
  /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

function passwordLines(password: KitFacts['password']): string[] {
  if ('generated' in password) {
    return [
      'The password of the repository. Whoever has it and the repository can read everything:',
      '',
      `    ${password.generated}`,
    ];
  }
  return [
    `The password of the repository is not on this page: ${password.whereItIs}.`,
    'Make sure that it can be found without this machine.',
  ];
}

/** The text of the recovery kit, in Markdown that reads well as plain text. */
export function recoveryKit(facts: KitFacts): string {
  const location = quoted(facts.location);
  const password = 'generated' in facts.password ? quoted(facts.password.generated) : "'THE PASSWORD'";
  return `${[
    '# Recovery kit',
    '',
    '**Print this page, or store it away from this machine.** If the machine is lost, this page and the',
    'repository are all that is needed to get the data back.',
    '',
    '## Where the backup is',
    '',
    `- Repository: ${facts.location}`,
    `- Repository ID: ${facts.repositoryId}`,
    `- Backed up from: ${facts.host}`,
    `- Paths: ${facts.paths.join(', ')}`,
    `- This page was written: ${facts.date}`,
    '',
    '## The password',
    '',
    ...passwordLines(facts.password),
    '',
    '## Getting everything back with Lifeboat',
    '',
    `    export LIFEBOAT_REPOSITORY=${location}`,
    `    export LIFEBOAT_PASSWORD=${password}`,
    '    lifeboat snapshots',
    '    lifeboat restore latest --target ./restored --verify',
    '',
    '## Getting everything back without Lifeboat',
    '',
    'The repository has the format of restic (https://restic.net), version 0.14 or newer. Install restic, then:',
    '',
    `    export RESTIC_REPOSITORY=${location}`,
    `    export RESTIC_PASSWORD=${password}`,
    '    restic snapshots',
    '    restic restore latest --target ./restored',
    '',
    'If the repository was moved, put its new place into the first line. Run the restore as root to get the',
    'owners of files back as well.',
  ].join('\n')}\n`;
}
