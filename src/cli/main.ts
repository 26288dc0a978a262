import { versionLine } from './version.ts';

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === 'version' || args[0] === '--version')) {
  process.stdout.write(`${versionLine()}\n`);
} else {
  const { runProcess } = await import('./process.ts');
  await runProcess(args);
}
