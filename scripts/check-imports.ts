/** Which part may import which. Owns: the rules and their check, over the import statements of every source file.
 *  router → shared ← node; router and node never import each other, shared imports no role, client imports only the protocol, and
 *  nobody imports scripts. Only a scenario or browser test may import what it likes. What a browser runs of client also imports no
 *  package and nothing of Node.
 *  Run as `check-imports.js <root>`: one line for each violation, exit 1 if there is any. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What files of a folder may import from the others; every folder may import from itself. */
const MAY_IMPORT: Readonly<Record<string, (path: string) => boolean>> = {
  shared: () => false,
  router: (path) => path.startsWith('shared/'),
  node: (path) => path.startsWith('shared/'),
  // The protocol's shapes, and its close codes with what each tells a client to do.
  client: (path) => /^shared\/(protocol|errors)\.ts$/.test(path),
  // What browsers run of a router.
  pages: (path) => path.startsWith('client/') || /^shared\/(protocol|errors)\.ts$/.test(path),
  examples: (path) => path.startsWith('node/') || path.startsWith('client/'),
  // Operators' programs stand above the roles.
  scripts: () => true,
};

const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*|\bvi\.mock\(\s*)(['"])(\.{1,2}\/[^'"\n]+)\1/g;

/** An import of a package or of Node: a statement at the start of a line, or a dynamic one. */
const BARE_IMPORT =
  /(?:^import\s*|^(?:import|export)\b[^;'"()=]*\bfrom\s*|\bimport\s*\(\s*)(['"])([^.'"\n][^'"\n]*)\1/gm;

export interface Violation {
  readonly file: string;
  readonly line: number;
  readonly imports: string;
}

/** Violations in one file. `file` is its path from the root, with slashes. */
export function violationsIn(file: string, source: string): Violation[] {
  const [folder = ''] = file.split('/');
  const mayImport = MAY_IMPORT[folder];
  // A scenario drives a whole cluster.
  if (mayImport === undefined || /\.(scenario|browser)\.test\.ts$/.test(file)) return [];
  const violations: Violation[] = [];
  if (folder === 'client' && !/(\.test|-fixture)\.ts$/.test(file)) {
    for (const match of source.matchAll(BARE_IMPORT)) {
      violations.push({ file, line: source.slice(0, match.index).split('\n').length, imports: match[2] ?? '' });
    }
  }
  for (const match of source.matchAll(IMPORT)) {
    const imports = posix.normalize(posix.join(posix.dirname(file), match[2] ?? ''));
    if (imports.startsWith(`${folder}/`) || mayImport(imports)) continue;
    violations.push({ file, line: source.slice(0, match.index).split('\n').length, imports });
  }
  return violations;
}

/** Violations in every source file under `root`. */
export function findViolations(root: string): Violation[] {
  return Object.keys(MAY_IMPORT)
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && /\.(tsx?|mjs|js)$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
    .flatMap((file) => violationsIn(file, readFileSync(join(root, file), 'utf8')));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const violations = findViolations(process.argv[2] ?? '.');
  for (const { file, line, imports } of violations) process.stderr.write(`${file}:${line} may not import ${imports}\n`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}
