// From a fresh clone to something that runs. Owns: the order of install and build, and when neither is this program's business.
import { accessSync, constants, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { build, isBuilt, sourceHash } from './build.mjs';
import { install, isInstalled } from './install.mjs';
import { withLock } from './lock.mjs';
import { Sentence } from './sentence.mjs';

/** Installs and builds what is missing or stale; does nothing in a published package or a production image. */
export async function prepare(root) {
  const isCheckout = existsSync(join(root, 'tsconfig.build.json'));
  const isImage = process.env.NODE_ENV === 'production' && existsSync(join(root, 'dist'));
  if (!isCheckout || isImage) return;
  if (isInstalled(root) && isBuilt(root, sourceHash(root))) return;
  requireWritable(root);
  await withLock(root, async (standForChild) => {
    removeLeftovers(root);
    if (!isInstalled(root)) await install(root, standForChild);
    const hash = sourceHash(root);
    if (!isBuilt(root, hash)) build(root, hash);
  });
}

function requireWritable(root) {
  try {
    accessSync(root, constants.W_OK);
  } catch (error) {
    throw new Sentence(
      `There is something to install or to build, and ${root} cannot be written to (${error.code}): do it as its owner with npm run build, or copy the checkout.`,
    );
  }
}

/** Of builds that were killed. Safe under the lock: nobody else builds. */
function removeLeftovers(root) {
  const folder = join(root, '.bellhop');
  for (const name of readdirSync(folder)) {
    if (name.startsWith('dist-')) rmSync(join(folder, name), { recursive: true, force: true });
  }
}
