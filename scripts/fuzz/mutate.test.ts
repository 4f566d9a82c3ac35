import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../shared/random.ts';
import { CodecTarget } from './codec-target.ts';
import { ConnectionTarget } from './connection-target.ts';
import { inputBytes, readInputs, writeInput } from './input.ts';
import { mutateJson } from './json-mutate.ts';
import { linkGrammar } from './link-grammar.ts';
import { mutate, smaller } from './mutate.ts';
import { clientFrame, websocketGrammar } from './websocket-grammar.ts';

const target = new CodecTarget();
const seeds = target.seeds();

describe('an input', () => {
  it('is read back as it was written', () => {
    const input = { target: 'x', variant: 3, links: [[Buffer.alloc(100, 7), Buffer.from('ab')], []] };
    const line = writeInput(input);
    expect(readInputs(line)).toEqual([input]);
    expect(line.length).toBeLessThan(100);
    for (const seed of seeds) {
      const [again] = readInputs(writeInput(seed));
      // Buffers of a megabyte: compared by themselves, since a matcher walks through every byte.
      expect(again?.links.map(({ length }) => length)).toEqual(seed.links.map(({ length }) => length));
      expect(Buffer.concat(again?.links.flat() ?? []).equals(Buffer.concat(seed.links.flat()))).toBe(true);
    }
  });
});

describe('a mutation', () => {
  it('changes something nearly always, and stays within the bound', () => {
    const random = new SeededRandom(1);
    let same = 0;
    for (let round = 0; round < 2_000; round++) {
      const parent = random.pick(seeds);
      const child = mutate(target, parent, seeds, random);
      for (const steps of child.links) expect(Buffer.concat(steps).length).toBeLessThanOrEqual(target.bytesMax);
      const [before, after] = [parent, child].map(({ links }) => Buffer.concat(links.flat()));
      if (before !== undefined && after?.equals(before) === true) same++;
    }
    expect(same).toBeLessThan(300);
  });

  it('of JSON reaches what JSON.stringify would not write', () => {
    const random = new SeededRandom(2);
    const texts = Array.from({ length: 2_000 }, () => mutateJson('{"a":{"b":[1,2]},"c":"x"}', random, ['word']));
    for (const wanted of ['__proto__', '1e999', '[[[[[[[[[[', '"word"', '\\ud800', '-0']) {
      expect(
        texts.some((text) => text.includes(wanted)),
        wanted,
      ).toBe(true);
    }
  });

  it('towards smaller cases gives no larger one', () => {
    const [, input] = seeds;
    if (input === undefined) throw new Error('no seed');
    for (const candidate of smaller(linkGrammar, input))
      expect(inputBytes(candidate)).toBeLessThanOrEqual(inputBytes(input));
  });
});

describe('a grammar', () => {
  it('cuts a stream without losing a byte', () => {
    const random = new SeededRandom(3);
    for (const grammar of [linkGrammar, websocketGrammar]) {
      for (let round = 0; round < 300; round++) {
        const stream = Buffer.from(random.hex(1 + random.below(200)), 'hex');
        expect(Buffer.concat(grammar.split(stream))).toEqual(stream);
      }
    }
  });

  it('reads the payload that it wrote', () => {
    for (const length of [0, 1, 125, 126, 65_535, 65_536]) {
      const payload = Buffer.alloc(length, 0x61);
      expect(websocketGrammar.payload(clientFrame(0x81, payload))?.equals(payload)).toBe(true);
      expect(linkGrammar.payload(linkGrammar.withPayload(Buffer.alloc(8), payload))?.equals(payload)).toBe(true);
    }
  });
});

describe('the seeds', () => {
  it.each([new CodecTarget(), new ConnectionTarget()])('of $name break no promise', async (one) => {
    for (const seed of one.seeds()) await one.run(seed);
  });
});
