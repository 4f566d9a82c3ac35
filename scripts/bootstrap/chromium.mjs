// Where a Chromium is found, in which tests open a page. Owns: its names here and at package managers. Does not know: running it.
import { findProgram, system } from './find-program.mjs';

const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const PLACES = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

const MANAGERS = [
  {
    name: 'apt-get',
    root: true,
    commands: [
      ['update', '-qq'],
      ['install', '-y', '-qq', '--no-install-recommends', 'chromium'],
    ],
  },
  { name: 'dnf', root: true, commands: [['install', '-y', '-q', 'chromium']] },
  { name: 'apk', root: true, commands: [['add', '--no-cache', '-q', 'chromium']] },
  { name: 'pacman', root: true, commands: [['-Sy', '--noconfirm', '--needed', 'chromium']] },
  { name: 'zypper', root: true, commands: [['--non-interactive', '--quiet', 'install', 'chromium']] },
];

/** Path of a Chromium or Chrome; installs one where there is none and the user may.
 *  @throws Sentence that says what to install */
export function findChromium(world = system) {
  const sentence =
    'The tests in a browser need Chromium: install the package `chromium`, or Chrome, so that it is on the PATH, or name its program in BELLHOP_TEST_CHROMIUM_BIN.';
  return findProgram({ what: 'Chromium', names: BROWSERS, places: PLACES, managers: MANAGERS, sentence }, world);
}
