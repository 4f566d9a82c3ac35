/** The flags of Node's that routers and nodes run under. Owns: these flags and the reason for each. Does not know: who is started.
 *  The image's entry point (Dockerfile) names the same ones; docs/decisions.md has what others cost. */

/** A router holds much that lives long and makes much that dies at once.
 *  - New objects get 4 MiB before they are looked through. With less, what is only just in use is kept as if it lived long; with
 *    Node's own 16, every process holds on to up to 48 MiB that are garbage.
 *  - Old garbage is collected when the heap has grown by a fifth, not to a multiple: after a wave of connects or messages a heap
 *    does not stay as large as the wave made it.
 *  `--optimize-for-size` saves as much memory, and a fifth of all processing power is its price. */
export const V8_FLAGS = ['--max-semi-space-size=4', '--heap-growing-percent=20'] as const;

/** The flags for a child of this process: those this process was itself given come last and win. */
export function nodeFlags(own: readonly string[] = process.execArgv): string[] {
  return [...V8_FLAGS, ...own.filter((flag) => !(V8_FLAGS as readonly string[]).includes(flag))];
}
