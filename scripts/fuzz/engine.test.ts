import { describe, expect, it } from 'vitest';
import { Engine } from './engine.ts';
import type { FuzzInput } from './input.ts';
import { linkGrammar } from './link-grammar.ts';
import { Broken, type Target } from './target.ts';

/** Frames of eight bytes and a payload. */
const FRAMES = [1, 2, 3].map((type) => Buffer.from([0, 0, 4, type, 0, 0, 0, 0, 0x61, 0x62, 0x63, 0x64]));

class FakeTarget implements Target {
  readonly name = 'fake';
  readonly grammar = linkGrammar;
  readonly turn = 20;
  readonly variants = 4;
  readonly bytesMax = 10_000;
  readonly words = [];
  readonly seen: string[] = [];
  readonly #fails: (bytes: Buffer) => boolean;

  constructor(fails: (bytes: Buffer) => boolean) {
    this.#fails = fails;
  }

  seeds(): FuzzInput[] {
    return [{ target: 'fake', variant: 3, links: [FRAMES] }];
  }

  async run({ links }: FuzzInput): Promise<void> {
    const bytes = Buffer.concat(links.flat());
    this.seen.push(bytes.toString('hex'));
    if (this.#fails(bytes)) throw new Broken('rule', 'broken');
  }

  async reset(): Promise<void> {}
  async settle(): Promise<void> {}
}

function engineFor(target: Target, inputs: number, takeCoverage?: () => number): Engine {
  let left = inputs;
  const before = () => {
    left--;
  };
  return new Engine([target], [], { seed: 5, isOver: () => left <= 0, before, takeCoverage });
}

describe('the engine', () => {
  it('runs the seeds first and the same inputs under the same seed', async () => {
    const [first, second] = [new FakeTarget(() => false), new FakeTarget(() => false)];
    expect(await engineFor(first, 500).run()).toBeUndefined();
    expect(await engineFor(second, 500).run()).toBeUndefined();
    expect(first.seen[0]).toBe(Buffer.concat(FRAMES).toString('hex'));
    expect(new Set(first.seen).size).toBeGreaterThan(300);
    expect(second.seen).toEqual(first.seen);
  });

  it('finds what fails and makes it small', async () => {
    // Any stream with a byte that no seed has.
    const failure = await engineFor(new FakeTarget((bytes) => bytes.includes(0xff)), 100_000).run();
    expect(failure).toMatchObject({ isReproduced: true, input: { variant: 0 } });
    expect(failure?.input.links).toEqual([[Buffer.from([0xff])]]);
  });

  it('says so where a failure does not come again', async () => {
    let calls = 0;
    const failure = await engineFor(new FakeTarget(() => ++calls === 40), 1_000).run();
    expect(failure?.isReproduced).toBe(false);
  });

  it('counts an error that no promise brings', async () => {
    const target = new FakeTarget(() => false);
    const engine = engineFor(target, 100);
    target.run = async () => engine.uncaught(new TypeError('in a callback'));
    expect((await engine.run())?.error.message).toBe('in a callback');
  });

  it('keeps as parents what reached something new', async () => {
    const engine = engineFor(new FakeTarget(() => false), 300, () => 1);
    await engine.run();
    expect(engine.found().length).toBeGreaterThan(50);
  });
});
